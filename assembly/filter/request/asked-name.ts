// The name that a client asked for when it created a response (Responses API). The filter keeps only the name's hash, and finds
// the name again among the names of rules and models. The filter cannot find a name that only a wildcard matched. Routes and
// clients then see the served model.
//   kept = 0 if the client asked for the served model, else the name's hash; the lowest bit is 1 if the model's header had the name
import { textHash } from "../../base/hash";
import { Config } from "../../config/config";
import { Entry } from "../../endpoints/entry";
import { publishGeneration, started } from "../../endpoints/in-flight";
import { ticks, tickTime } from "../../host/tick-time";
import { nextExact, ruleLength, rulePattern } from "../../route/configured-rules";
import { keptTarget } from "../../route/snapshot-rules";
import { ruleName, ruleNameLength } from "../../snapshot/objects";
import { SnapshotView } from "../../snapshot/view";
import { shareLoad } from "../../workers/shared-load";
import { dropHeader } from "../headers/changes";
import { ACCEPT_ENCODING } from "../headers/header-names";
import { Root } from "../root";
import { openStream, PHASE_SENT, Stream, stateOf } from "../streams";

const IN_HEADER: u64 = 1;

/** A name. Its bytes stay in memory as long as the configuration and the snapshot do. */
@unmanaged
class AskedName {
  name: usize = 0;
  length: u32 = 0;
}

const found: usize = memory.data(offsetof<AskedName>(), 8);

/** Returns what to keep of the name that a stream's client asked for. */
export function keptAsked(stream: Stream): u64 {
  if (!stream.target || stream.nameLength == 0) return 0;
  const hash = textHash(stream.name, stream.nameLength);
  return stream.header == stream.name ? hash | IN_HEADER : hash & ~IN_HEADER;
}

/** Returns whether the model's header had the name that the client asked for. */
export function wasInHeader(kept: u64): bool {
  return (kept & IN_HEADER) != 0;
}

/** Finds the name whose hash is `kept`; null: the name is not known. The record is valid until the next call. */
export function findAsked(config: Config, view: SnapshotView, kept: u64): AskedName | null {
  if (kept == 0) return null;
  for (let rule = nextExact(config.models.names, 0); rule; rule = nextExact(config.models.names, rule)) {
    if (isAsked(rulePattern(rule), ruleLength(rule), kept)) return askedName(rulePattern(rule), ruleLength(rule));
  }
  for (let i: u32 = 0; i < view.ruleCount; i++) {
    if (isAsked(ruleName(view, i), ruleNameLength(view, i), kept))
      return askedName(ruleName(view, i), ruleNameLength(view, i));
  }
  for (let i: u32 = 0; i < view.modelCount; i++) {
    if (isAsked(view.modelName(i), view.modelNameLength(i), kept))
      return askedName(view.modelName(i), view.modelNameLength(i));
  }
  return null;
}

function isAsked(name: usize, length: u32, kept: u64): bool {
  return length > 0 && (textHash(name, length) | IN_HEADER) == (kept | IN_HEADER);
}

function askedName(name: usize, length: u32): AskedName {
  const record = changetype<AskedName>(found);
  record.name = name;
  record.length = length;
  return record;
}

/** Opens a record for this request, so that its HTTP response, from the endpoint of `entry`, has the name `asked` instead of `model`. */
export function giveBackAsked(id: u32, root: Root, entry: Entry, asked: AskedName, model: usize, length: u32): void {
  const target = keptTarget(model, length);
  if (target === null) return;
  const stream = openStream(id, changetype<usize>(root));
  if (stream === null) return;
  stream.phase = PHASE_SENT;
  stream.target = changetype<usize>(target);
  stream.name = stateOf(stream);
  stream.nameLength = asked.length;
  memory.copy(stream.name, asked.name, asked.length);
  dropHeader(ACCEPT_ENCODING);
  if (root.config.pick.dryRun) return;
  stream.countedOn = started(entry.endpoint);
  stream.generation = publishGeneration();
  stream.sentTick = ticks();
  shareLoad(entry, tickTime());
}
