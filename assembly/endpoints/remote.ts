// What other Envoys have on the same endpoints, as the sidecars report (sections REMOTE and PREFIXES of the snapshot):
// Entry.remote (entry.ts).
//
// Counts of other Envoys are about as old as the last push but one. So each of the others is assumed to have sent what this
// Envoy sent since then (`localBefore`), as among workers (in-flight.ts): a burst reaches all Envoys at once. That counts for
// MAX_GUESSED of them at most, because what happens by chance at one of many Envoys does not happen at all of them.
// Bound: ARCHITECTURE.md, "What Envoys share". A sidecar that falls silent is believed for REMOTE_SILENT.
import { REMOTE_LASTED, REMOTE_PENDING, REMOTE_REQUESTS, REMOTE_SENT } from "../../protocol/constants";
import { prefixNumber } from "../snapshot/verify-traffic";
import { SnapshotView } from "../snapshot/view";
import { receivePrefixes } from "./cache/prefix-updates";
import { endpointCount, entryOf } from "./entries";
import { Entry } from "./entry";

/** Milliseconds. */
export const REMOTE_SILENT: u64 = 2000;
const MAX_GUESSED: i32 = 4;
/** Pushes closer together than this, ns, bring no newer counts. */
const MIN_NEWER: u64 = 40000000;

let envoys: i32 = 0;
let total: u64 = 0;
let newerAt: u64 = 0;

/** A snapshot came at `now`, ns. Whether its counts are newer than the last snapshot's, for receiveRemote() of each endpoint. */
export function beginRemote(view: SnapshotView, now: u64): bool {
  total = 0;
  envoys = view.remote ? min(<i32>view.envoys, MAX_GUESSED) : 0;
  if (now > newerAt && now - newerAt < MIN_NEWER) return false;
  newerAt = now;
  return true;
}

/** `local`: in-flight requests of this Envoy there (in-flight.ts). */
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
  remote.settled = load<i32>(record, REMOTE_LASTED);
  remote.pending = load<i32>(record, REMOTE_PENDING);
  remote.sent = load<i32>(record, REMOTE_SENT);
}

/** No sidecar reports other Envoys any more. */
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
  remote.pending = 0;
  remote.sent = 0;
}

/** Requests of other Envoys, with those that they are likely to have sent meanwhile. */
export function remoteInFlightNow(entry: Entry, local: i32): i32 {
  return entry.remote.settled + envoys * max(local - entry.remote.localBefore, 0);
}

/** Tokens that other Envoys are likely to have sent since their counts came: as many as this one sent, while its own wait. */
export function remoteTokensGuessed(entry: Entry): f32 {
  if (envoys == 0) return 0;
  const tokens = entry.tokens;
  const since = tokens.sent + tokens.workersSent - entry.remote.localSentBefore;
  return <f32>envoys * <f32>max(min(since, tokens.pending + tokens.workersPending), 0);
}

// ---- prefixes: a snapshot repeats the records of the last moments, and each record has its number ------------------------

/** A sidecar whose prefixes were received. */
@unmanaged
class Source {
  id: u64 = 0;
  /** The highest number of a record that was received. */
  highest: u64 = 0;
}

/** Sidecars that are remembered, the last ones. */
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
