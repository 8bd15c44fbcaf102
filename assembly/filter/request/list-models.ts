// Answers GET /v1/models and GET /v1/models/{id} from the snapshot and from the rules for names. The list has base models, adapters
// with their base model, and the names of rules.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";
import { bytesOf, compareBytes, startsWith } from "../../base/bytes";
import { Writer, writeTo } from "../../base/writer";
import { Config } from "../../config/config";
import { largeBuffer } from "../../host/memory";
import { findExact, nextExact, ruleLength, rulePattern, ruleTarget } from "../../route/configured-rules";
import { findModel } from "../../route/models";
import { decodeName, pathLength } from "../../route/paths";
import { current, hasSnapshot } from "../../snapshot/current";
import {
  continuesRule,
  findRule,
  ruleName,
  ruleNameLength,
  ruleTargetLength,
  ruleTarget as snapshotTarget,
} from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, MODELS_LISTED } from "../../stats";
import { isStale } from "../freshness";
import { GET } from "../headers/header-names";
import { HEAD_PATH, headLength, headPointer, isMethod, readHead } from "../headers/request-head";
import { sendJson } from "../local-reply";

const path = bytesOf("/v1/models");
const REPLY_BYTES: u32 = 2097152;
/** The decoded id of GET /v1/models/{id}. */
const asked: usize = memory.data(MAX_MODEL_NAME_BYTES);
/** Bytes of one entry: three names, in which an escape may double each byte, and the text around the names. */
const ENTRY_BYTES: u32 = 3 * 2 * MAX_MODEL_NAME_BYTES + 512;
const entry: usize = memory.data(ENTRY_BYTES);

/**
 * Call after readHead(). Returns true when the filter has answered. An upstream answers while the snapshot is missing or stale, and
 * for names that are not in the list.
 */
export function listModels(config: Config): bool {
  if (!isMethod(GET)) return false;
  const given = headPointer(HEAD_PATH);
  const length = pathLength(given, headLength(HEAD_PATH));
  if (!startsWith(given, length, path.pointer, path.length)) return false;
  const one = length > path.length + 1 && load<u8>(given + path.length) == 0x2f;
  if (!one && length != path.length) return false;
  if (!hasSnapshot() || isStale(config)) return false;
  let writer: Writer;
  if (one) {
    const nameLength = decodeName(given + path.length + 1, length - path.length - 1, asked);
    writer = writeTo(entry, ENTRY_BYTES);
    if (nameLength == 0 || !writeOne(writer, config, current(), asked, nameLength)) return false;
  } else {
    writer = writeTo(largeBuffer(REPLY_BYTES), REPLY_BYTES);
    writeModels(writer, config, current());
    if (writer.overflowed) {
      // The list may have overwritten the head, because a long head is in the large buffer too.
      readHead(config.pick.session.header);
      return false;
    }
  }
  count(MODELS_LISTED);
  sendJson(200, writer.start, writer.length);
  return true;
}

function writeModels(w: Writer, config: Config, view: SnapshotView): void {
  let first = true;
  w.raw('{"object":"list","data":[');
  for (let i: u32 = 0; i < view.modelCount; i++) {
    writeModel(w, view, i, first);
    first = false;
  }
  for (let rule = nextExact(config.models.names, 0); rule; rule = nextExact(config.models.names, rule)) {
    if (findModel(view, rulePattern(rule), ruleLength(rule)) != NONE) continue;
    if (writeAlias(w, view, rule, first)) first = false;
  }
  for (let rule: u32 = 0; rule < view.ruleCount; rule++) {
    const name = ruleName(view, rule);
    const length = ruleNameLength(view, rule);
    if (length == 0 || continuesRule(view, rule)) continue;
    // Several pools may each have a rule for one name. The list has the name once.
    if (rule > 0 && compareBytes(ruleName(view, rule - 1), ruleNameLength(view, rule - 1), name, length) == 0) continue;
    if (findModel(view, name, length) != NONE || findExact(config.models.names, name, length)) continue;
    if (writeRuled(w, view, rule, first)) first = false;
  }
  w.raw("]}");
}

/** Writes the entry of one name. Returns false when the name is not in the list. */
function writeOne(w: Writer, config: Config, view: SnapshotView, name: usize, length: u32): bool {
  const model = findModel(view, name, length);
  if (model != NONE) return writeModel(w, view, model, true);
  const alias = findExact(config.models.names, name, length);
  if (alias) return writeAlias(w, view, alias, true);
  const ruled = findRule(view, name, length, 0);
  return ruled != NONE && writeRuled(w, view, ruled, true);
}

function writeModel(w: Writer, view: SnapshotView, model: u32, first: bool): bool {
  return writeEntry(w, view, model, view.modelName(model), view.modelNameLength(model), first);
}

/** Writes the entry of a rule of the configuration, with the rule's first target. Returns false when no endpoint serves the target. */
function writeAlias(w: Writer, view: SnapshotView, rule: usize, first: bool): bool {
  const target = ruleTarget(rule);
  const served = target === null ? NONE : findModel(view, target.model, target.length);
  return served != NONE && writeEntry(w, view, served, rulePattern(rule), ruleLength(rule), first);
}

/** Writes the entry of a rule of the snapshot, with the first target that is served. Returns false when no target is served. */
function writeRuled(w: Writer, view: SnapshotView, rule: u32, first: bool): bool {
  let served = NONE;
  for (let i = rule; i < view.ruleCount && served == NONE && (i == rule || continuesRule(view, i)); i++) {
    served = findModel(view, snapshotTarget(view, i), ruleTargetLength(view, i));
  }
  return served != NONE && writeEntry(w, view, served, ruleName(view, rule), ruleNameLength(view, rule), first);
}

/** Writes one entry. `name` is the name of the model `served`, or the name of a rule whose target is that model. */
function writeEntry(w: Writer, view: SnapshotView, served: u32, name: usize, length: u32, first: bool): bool {
  const base = view.modelBase(served);
  w.raw(first ? '{"id":"' : ',{"id":"');
  w.escaped(name, length);
  w.raw('","object":"model","created":');
  w.number(view.version / 1000000);
  w.raw(',"owned_by":"pilotfish","root":"');
  w.escaped(view.modelName(served), view.modelNameLength(served));
  w.raw('","parent":');
  if (base == NONE || base == served) w.raw("null}");
  else {
    w.byte(0x22);
    w.escaped(view.modelName(base), view.modelNameLength(base));
    w.raw('"}');
  }
  return true;
}
