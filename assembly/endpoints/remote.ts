// The requests, tokens and prefixes of other Envoys on the same endpoints. Sidecars send them in traffic pushes (snapshot/traffic-push.ts).
// Sidecars of earlier releases send them in the snapshot's sections REMOTE and PREFIXES, which count as long as no traffic push
// comes. This module keeps the counts in Entry.remote (entry.ts). Counts of a sidecar that falls silent are used for REMOTE_SILENT.
//
// Counts of other Envoys are some time old. So each other Envoy is assumed to have sent as many requests as this Envoy sent in that
// time, because a burst reaches all Envoys at once. The assumption is made for
// at most MAX_GUESSED Envoys: a chance increase at one Envoy is no burst. Counts of a traffic push are about as old as the tick
// before the last, and counts of a snapshot about as old as the push before the last (ARCHITECTURE.md, "What Envoys share").
import {
  REMOTE_REQUESTS,
  REMOTE_SENT,
  REMOTE_SETTLED,
  REMOTE_WAITING,
  REPORT_RECORD_BYTES,
} from "../../protocol/constants";
import { TrafficPush } from "../snapshot/traffic-push";
import { prefixNumber } from "../snapshot/verify-traffic";
import { NONE, SnapshotView } from "../snapshot/view";
import { receivePrefixes } from "./cache/prefix-updates";
import { endpointCount, entryOf, findEntry } from "./entries";
import { Entry } from "./entry";

/** Nanoseconds for which the counts of a silent sidecar are used. */
const REMOTE_SILENT: u64 = 2000000000;
const MAX_GUESSED: i32 = 4;
/** Of two snapshots that are closer together than this, ns, the second brings no newer counts. */
const MIN_NEWER: u64 = 40000000;
/** Of two ticks that are closer together than this, ns, the second is skipped: the guess covers one to two ticks. */
const MIN_TICK: u64 = 15000000;

let envoys: i32 = 0;
let total: u64 = 0;
/** When the counts in use came, and the last traffic push, ns. */
let countedAt: u64 = 0;
let pushedAt: u64 = 0;
/** When this Envoy's own counts were last remembered for the guess. */
let newerAt: u64 = 0;

/**
 * Whether the other Envoys' counts of a snapshot that came at `now`, ns, count: they do not while traffic pushes come. A worker may follow
 * a snapshot after a push that came later.
 */
export function countsSnapshot(now: u64): bool {
  return pushedAt == 0 || isSilent(pushedAt, now);
}

/** Whether counts that came at `then`, ns, are too old at `now`. True also for a `then` that the clock has not reached, since it was set back. */
export function isSilent(then: u64, now: u64): bool {
  return (now > then ? now - then : then - now) > REMOTE_SILENT;
}

/** Begins with a snapshot that came at `now`, ns. Returns `newer` for receiveRemote(): whether its counts are newer. */
export function beginRemote(view: SnapshotView, now: u64): bool {
  total = 0;
  envoys = view.remote ? min(<i32>view.envoys, MAX_GUESSED) : 0;
  countedAt = now;
  return isNewer(now, MIN_NEWER);
}

/** Takes over an endpoint's counts. `local`: this Envoy's in-flight requests on the endpoint (in-flight.ts). */
export function receiveRemote(view: SnapshotView, endpoint: u32, local: i32, newer: bool): void {
  const entry = entryOf(endpoint);
  if (newer) rememberLocal(entry, local);
  if (!view.remote) return forget(entry);
  const record = view.remote + endpoint * view.remoteStride;
  take(entry, record);
  entry.remote.counted = load<i32>(record, REMOTE_SETTLED);
}

/** Takes over the counts of a traffic push that came at `now`, ns. Counts of endpoints that it does not name become 0. */
export function receivePush(push: TrafficPush, now: u64): void {
  total = 0;
  envoys = min(<i32>push.envoys, MAX_GUESSED);
  countedAt = now;
  pushedAt = now;
  for (let i: u32 = 0; i < endpointCount(); i++) forget(entryOf(i));
  for (let i: u32 = 0; i < push.count; i++) {
    const record = push.records + i * REPORT_RECORD_BYTES;
    const entry = findEntry(load<u64>(record));
    if (entry === null || entry.endpoint == NONE) continue;
    take(entry, record + sizeof<u64>());
    // These counts are so fresh that few of the requests have ended.
    entry.remote.counted = entry.remote.requests;
  }
}

function take(entry: Entry, record: usize): void {
  const remote = entry.remote;
  remote.requests = load<i32>(record, REMOTE_REQUESTS);
  total += remote.requests;
  remote.waiting = load<i32>(record, REMOTE_WAITING);
  remote.sent = load<i32>(record, REMOTE_SENT);
}

/** Call on the tick at `now`, ns. Returns whether rememberLocal() is due for all endpoints. */
export function localDue(now: u64): bool {
  return envoys > 0 && !countsSnapshot(now) && isNewer(now, MIN_TICK);
}

/** Remembers this Envoy's in-flight requests and sent tokens of an endpoint, for the guess. */
export function rememberLocal(entry: Entry, local: i32): void {
  const remote = entry.remote;
  remote.localBefore = remote.local;
  remote.local = local;
  remote.localSentBefore = remote.localSent;
  remote.localSent = entry.tokens.sent + entry.tokens.workersSent;
}

function isNewer(now: u64, least: u64): bool {
  if (now > newerAt && now - newerAt < least) return false;
  newerAt = now;
  return true;
}

/** Call on the tick at `now`, ns. Forgets all counts when no sidecar tells of other Envoys any more. */
export function forgetSilent(now: u64): void {
  if (envoys == 0 || !isSilent(countedAt, now)) return;
  envoys = 0;
  total = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) forget(entryOf(i));
}

/** In-flight requests of other Envoys, on all endpoints. */
export function remoteTotal(): u64 {
  return total;
}

/** Whether a sidecar tells of other Envoys. */
export function hasOtherEnvoys(): bool {
  return envoys > 0;
}

function forget(entry: Entry): void {
  const remote = entry.remote;
  remote.requests = 0;
  remote.counted = 0;
  remote.waiting = 0;
  // `sent` stays: only its differences count (waiting-tokens.ts), and a push names an endpoint again with the whole sum.
}

/** Requests of other Envoys that costs count, and the requests that they have probably sent since. */
export function remoteInFlightNow(entry: Entry, local: i32): i32 {
  return entry.remote.counted + envoys * max(local - entry.remote.localBefore, 0);
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
