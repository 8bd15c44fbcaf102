// The requests, tokens and prefixes of other Envoys on the same endpoints. Sidecars report them in the snapshot's sections REMOTE
// and PREFIXES. This module keeps them in Entry.remote (entry.ts).
//
// Counts of other Envoys are about as old as the push before the last. So each other Envoy is assumed to have sent as many
// requests as this Envoy sent since then (`localBefore`), because a burst reaches all Envoys at once. Workers assume the same of
// each other (in-flight.ts). The assumption is made for at most MAX_GUESSED Envoys: a chance increase at one Envoy is no burst.
// Bound: ARCHITECTURE.md, "What Envoys share". Counts of a sidecar that falls silent are used for REMOTE_SILENT.
import { REMOTE_REQUESTS, REMOTE_SENT, REMOTE_SETTLED, REMOTE_WAITING } from "../../protocol/constants";
import { prefixNumber } from "../snapshot/verify-traffic";
import { SnapshotView } from "../snapshot/view";
import { receivePrefixes } from "./cache/prefix-updates";
import { endpointCount, entryOf } from "./entries";
import { Entry } from "./entry";

/** Milliseconds for which the counts of a silent sidecar are used. */
export const REMOTE_SILENT: u64 = 2000;
const MAX_GUESSED: i32 = 4;
/** Of two pushes that are closer together than this, ns, the second brings no newer counts. */
const MIN_NEWER: u64 = 40000000;

let envoys: i32 = 0;
let total: u64 = 0;
let newerAt: u64 = 0;

/** Begins with a snapshot that came at `now`, ns. Returns `newer` for receiveRemote(): whether its counts are newer. */
export function beginRemote(view: SnapshotView, now: u64): bool {
  total = 0;
  envoys = view.remote ? min(<i32>view.envoys, MAX_GUESSED) : 0;
  if (now > newerAt && now - newerAt < MIN_NEWER) return false;
  newerAt = now;
  return true;
}

/** Takes over an endpoint's counts. `local`: this Envoy's in-flight requests on the endpoint (in-flight.ts). */
export function receiveRemote(view: SnapshotView, endpoint: u32, local: i32, newer: bool): void {
  const entry = entryOf(endpoint);
  const remote = entry.remote;
  if (newer) {
    remote.localBefore = remote.local;
    remote.local = local;
    remote.localSentBefore = remote.localSent;
    remote.localSent = entry.tokens.sent + entry.tokens.workersSent;
  }
  if (!view.remote) return forget(entry);
  const record = view.remote + endpoint * view.remoteStride;
  remote.requests = load<i32>(record, REMOTE_REQUESTS);
  total += remote.requests;
  remote.settled = load<i32>(record, REMOTE_SETTLED);
  remote.waiting = load<i32>(record, REMOTE_WAITING);
  remote.sent = load<i32>(record, REMOTE_SENT);
}

/** Forgets all counts, when no sidecar reports other Envoys any more. */
export function forgetRemote(): void {
  if (envoys == 0) return;
  envoys = 0;
  total = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) forget(entryOf(i));
}

/** In-flight requests of other Envoys, on all endpoints. */
export function remoteTotal(): u64 {
  return total;
}

function forget(entry: Entry): void {
  const remote = entry.remote;
  remote.requests = 0;
  remote.settled = 0;
  remote.waiting = 0;
  remote.sent = 0;
}

/** Settled requests of other Envoys, and the requests that they have probably sent since. */
export function remoteInFlightNow(entry: Entry, local: i32): i32 {
  return entry.remote.settled + envoys * max(local - entry.remote.localBefore, 0);
}

/** Tokens that other Envoys have probably sent since: as many each as this Envoy sent, but no more than its waiting tokens. */
export function remoteTokensGuessed(entry: Entry): f32 {
  if (envoys == 0) return 0;
  const tokens = entry.tokens;
  const since = tokens.sent + tokens.workersSent - entry.remote.localSentBefore;
  return <f32>envoys * <f32>max(min(since, tokens.waiting + tokens.workersWaiting), 0);
}

// ---- prefixes: a snapshot repeats the latest records; a record's number shows whether it was received before -------------

/** A sidecar whose prefixes were received. */
@unmanaged
class Source {
  id: u64 = 0;
  /** The highest number of a record that was received. */
  highest: u64 = 0;
}

/** Number of sidecars that are remembered: the latest ones. */
const SOURCES: u32 = 4;
const SOURCE_BYTES: u32 = offsetof<Source>();
const sources: usize = memory.data(SOURCES * SOURCE_BYTES, 8);
let nextSource: u32 = 0;

export function followPrefixes(view: SnapshotView): void {
  if (!view.prefixes || view.prefixWords == 0) return;
  const source = sourceOf(view.source);
  let highest = source.highest;
  const end = view.prefixes + view.prefixWords * 8;
  for (let at = view.prefixes; at < end; ) {
    const number = prefixNumber(at);
    const next = receivePrefixes(at, end, number > source.highest);
    if (!next) break;
    highest = max(highest, number);
    at = next;
  }
  source.highest = highest;
}

function sourceOf(id: u64): Source {
  for (let i: u32 = 0; i < SOURCES; i++) {
    const known = changetype<Source>(sources + i * SOURCE_BYTES);
    if (known.id == id) return known;
  }
  const source = changetype<Source>(sources + (nextSource++ % SOURCES) * SOURCE_BYTES);
  source.id = id;
  source.highest = 0;
  return source;
}
