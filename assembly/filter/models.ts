// GET /v1/models, answered from the snapshot: models, adapters with their base, and the aliases of the configuration.
import { Config } from "../config/config";
import { bytesEqual, bytesOf } from "../host/bytes";
import { largeBuffer } from "../host/memory";
import { findModel } from "../route/models";
import { findExact, nextExact, ruleLength, rulePattern, ruleTarget } from "../route/names";
import { pathLength } from "../route/paths";
import { ageMilliseconds, current, hasSnapshot } from "../snapshot/current";
import {
  continuesRule,
  ruleName,
  ruleNameLength,
  ruleTargetLength,
  ruleTarget as snapshotTarget,
} from "../snapshot/objects";
import { compareBytes, NONE, SnapshotView } from "../snapshot/view";
import { count, MODELS_LISTED } from "../stats";
import { Writer, writeTo } from "../writer";
import { tickTime } from "./clock";
import { HEAD_PATH, headLength, headPointer, isMethod } from "./head";
import { GET } from "./headers";
import { sendJson } from "./reply";

const path = bytesOf("/v1/models");
const ANSWER_BYTES: u32 = 2097152;

/** After readHead(). True: answered. Without a fresh snapshot an upstream answers. */
export function listModels(config: Config): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  if (!bytesEqual(headPointer(HEAD_PATH), length, path.pointer, path.length)) return false;
  if (!hasSnapshot() || ageMilliseconds(tickTime()) > config.staleAfterMilliseconds) return false;
  if (!isMethod(GET)) return false;
  const writer = writeTo(largeBuffer(ANSWER_BYTES), ANSWER_BYTES);
  writeModels(writer, config, current());
  if (writer.overflowed) return false;
  count(MODELS_LISTED);
  sendJson(200, writer.start, writer.length);
  return true;
}

function writeModels(w: Writer, config: Config, view: SnapshotView): void {
  const created = view.version / 1000000;
  let first = true;
  w.raw('{"object":"list","data":[');
  for (let i: u32 = 0; i < view.modelCount; i++) {
    const base = view.modelBase(i);
    const parent = base == i ? NONE : base;
    writeEntry(w, first, view.modelName(i), view.modelNameLength(i), created);
    writeRoot(w, view.modelName(i), view.modelNameLength(i));
    writeParent(w, view, parent);
    first = false;
  }
  for (let rule = nextExact(config.models.names, 0); rule; rule = nextExact(config.models.names, rule)) {
    const target = ruleTarget(rule);
    if (target === null) continue;
    const served = findModel(view, target.model, target.length);
    if (served == NONE || findModel(view, rulePattern(rule), ruleLength(rule)) != NONE) continue;
    const base = view.modelBase(served);
    writeEntry(w, first, rulePattern(rule), ruleLength(rule), created);
    writeRoot(w, target.model, target.length);
    writeParent(w, view, base == served ? NONE : base);
    first = false;
  }
  writeRuled(w, config, view, first, created);
  w.raw("]}");
}

/** Names that the snapshot's rules stand for, by their first target that is served. */
function writeRuled(w: Writer, config: Config, view: SnapshotView, isFirst: bool, created: u64): void {
  let first = isFirst;
  for (let rule: u32 = 0; rule < view.ruleCount; rule++) {
    const name = ruleName(view, rule);
    const length = ruleNameLength(view, rule);
    if (length == 0 || continuesRule(view, rule)) continue;
    // For another pool the same name is another rule.
    if (rule > 0 && compareBytes(ruleName(view, rule - 1), ruleNameLength(view, rule - 1), name, length) == 0) continue;
    if (findModel(view, name, length) != NONE || findExact(config.models.names, name, length)) continue;
    let served = NONE;
    for (let i = rule; i < view.ruleCount && served == NONE && (i == rule || continuesRule(view, i)); i++) {
      served = findModel(view, snapshotTarget(view, i), ruleTargetLength(view, i));
    }
    if (served == NONE) continue;
    const base = view.modelBase(served);
    writeEntry(w, first, name, length, created);
    writeRoot(w, view.modelName(served), view.modelNameLength(served));
    writeParent(w, view, base == served ? NONE : base);
    first = false;
  }
}

function writeEntry(w: Writer, first: bool, name: usize, length: u32, created: u64): void {
  w.raw(first ? '{"id":"' : ',{"id":"');
  w.escaped(name, length);
  w.raw('","object":"model","created":');
  w.number(created);
  w.raw(',"owned_by":"pilotfish"');
}

function writeRoot(w: Writer, name: usize, length: u32): void {
  w.raw(',"root":"');
  w.escaped(name, length);
  w.byte(0x22);
}

function writeParent(w: Writer, view: SnapshotView, parent: u32): void {
  w.raw(',"parent":');
  if (parent == NONE) w.raw("null}");
  else {
    w.byte(0x22);
    w.escaped(view.modelName(parent), view.modelNameLength(parent));
    w.raw('"}');
  }
}
