// In-flight requests of each endpoint, as this worker knows them: its own (Entry.inFlight), those of the other workers
// (other-workers.ts), and the requests of other Envoys (remote.ts). unseen.ts estimates the requests that no filter sent.
//
// A request is settled when it has lived through a tick. A sidecar of an earlier release tells other Envoys of requests with its
// snapshots. These Envoys count settled requests only: a shorter request has ended before the snapshot comes.
// Invariant: every started() is followed by exactly one finished() with the same hash.
import {
  MAX_REMOTE,
  MAX_REMOTE_WAITING,
  REMOTE_REQUESTS,
  REMOTE_SENT,
  REMOTE_SETTLED,
  REMOTE_WAITING,
} from "../../protocol/constants";
import { mix, textHash } from "../base/hash";
import { TrafficPush } from "../snapshot/traffic-push";
import { NONE, SnapshotView } from "../snapshot/view";
import { endpointCount, entryOf, findEntry, followEndpoints } from "./entries";
import { Entry, InFlight } from "./entry";
import { forgetOthers, othersInFlight, PUBLISHED_BYTES, Published } from "./other-workers";
import {
  beginRemote,
  countsSnapshot,
  localDue,
  receivePush,
  receiveRemote,
  rememberLocal,
  remoteInFlightNow,
} from "./remote";
import { requestsIn, unitsOf, waitingIn } from "./shared-record";
import { estimateOf, knownRose, UNSEEN_NOISE } from "./unseen";
import { setWorkersTokens } from "./waiting-tokens";

let ownTotal: i32 = 0;
let anyStarted: bool = false;

/** Makes the counts follow a snapshot's endpoints. If the endpoints changed, the counts of the other workers are forgotten. */
export function followTopology(view: SnapshotView): void {
  if (followEndpoints(view)) forgetOthers();
}

/** Takes over what other Envoys have in flight, from a snapshot that came at `now`, ns. */
export function followRemote(view: SnapshotView, now: u64): void {
  if (!countsSnapshot(now)) return;
  const newer = beginRemote(view, now);
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    receiveRemote(view, i, localInFlight(entry), newer);
    knownRose(entry);
  }
}

/** Takes over what other Envoys have in flight, from a traffic push that came at `now`, ns. */
export function followPush(push: TrafficPush, now: u64): void {
  receivePush(push, now);
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    setWorkersTokens(entry, entry.tokens.workersWaiting, entry.tokens.workersSent, now);
    knownRose(entry);
  }
}

/** Call on the tick at `now`, ns. Remembers this Envoy's requests, for the guess of what other Envoys have sent since. */
export function followLocal(now: u64): void {
  if (!localDue(now)) return;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    rememberLocal(entry, localInFlight(entry));
  }
}

/** Hash of this Envoy's counts as a traffic report has them, never 0. Settled requests do not matter for it. */
export function newsHash(): u32 {
  let hash: u64 = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const tokens = entry.tokens;
    const requests = max(localInFlight(entry), 0);
    const waiting = max(tokens.waiting + tokens.workersWaiting, 0);
    if (requests == 0 && waiting == 0) continue;
    hash = mix(hash ^ entry.hash ^ requests);
    hash = mix(hash ^ (((<u64>waiting) << 32) | <u32>(tokens.sent + tokens.workersSent)));
  }
  return <u32>(hash >> 32) | 1;
}

/** Rises whenever this worker publishes. finished() compares generations to find whether a request is settled. */
let generation: u32 = 1;

export function publishGeneration(): u32 {
  return generation;
}

/** Counts a request onto an endpoint of the current snapshot. Returns its hash for finished(), which needs publishGeneration() too. */
export function started(endpoint: u32): u64 {
  const entry = entryOf(endpoint);
  const part = entry.inFlight;
  part.own++;
  if (part.freshSince != generation) {
    part.freshSince = generation;
    part.fresh = 0;
  }
  part.fresh++;
  ownTotal++;
  anyStarted = true;
  knownRose(entry);
  return entry.hash;
}

/** Counts a request onto the endpoint with this address. Returns 0 if the current snapshot does not have the endpoint. */
export function startedAt(text: usize, length: u32): u64 {
  const entry = findEntry(textHash(text, length));
  return entry === null || entry.endpoint == NONE ? 0 : started(entry.endpoint);
}

/** Ends the count of a request. `hash`: from started(); `since`: the value of publishGeneration() when the request started. */
export function finished(hash: u64, since: u32): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  entry.inFlight.own--;
  if (since == generation) entry.inFlight.fresh--;
  ownTotal--;
}

/** Requests on an endpoint: of this Envoy, of other Envoys as costs count them, and what other Envoys have probably sent since. */
export function seenInFlight(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  const local = localInFlight(entry);
  return local + remoteInFlightNow(entry, local);
}

/** Requests of this Envoy. */
function localInFlight(entry: Entry): i32 {
  return entry.inFlight.own + entry.otherWorkers.requests;
}

/** Requests that may be on an endpoint by now, for the limits of places: of this Envoy, of other Envoys, and unseen requests. */
export function inFlightAt(endpoint: u32): f32 {
  const entry = entryOf(endpoint);
  const seen = localInFlight(entry) + entry.remote.requests;
  return <f32>max(seen, 0) + max<f32>(estimateOf(entry) - UNSEEN_NOISE, 0);
}

/** Requests that the workers of this Envoy count, without unseen requests and without any guess. */
export function counted(endpoint: u32): i32 {
  return localInFlight(entryOf(endpoint));
}

/** Requests of other Envoys, as received last. */
export function remoteInFlight(endpoint: u32): i32 {
  return entryOf(endpoint).remote.requests;
}

/** Whether this worker has ever sent a request. */
export function hasSent(): bool {
  return anyStarted;
}

export function ownInFlight(): i32 {
  return ownTotal;
}
/** In-flight requests of all workers, on all endpoints. */
export function totalInFlight(): i32 {
  return ownTotal + othersInFlight();
}

/** Writes an endpoint's record of the section REMOTE (protocol/) for a traffic report. False: the endpoint has no request. */
export function reportEntry(endpoint: u32, target: usize): bool {
  const entry = entryOf(endpoint);
  const requests = max(localInFlight(entry), 0);
  const waiting = max(entry.tokens.waiting + entry.tokens.workersWaiting, 0);
  if (requests == 0 && waiting == 0) return false;
  store<i32>(target, min<i32>(requests, MAX_REMOTE), REMOTE_REQUESTS);
  store<i32>(target, min(max(settledOwn(entry.inFlight) + entry.otherWorkers.settled, 0), requests), REMOTE_SETTLED);
  store<i32>(target, min<i32>(waiting, MAX_REMOTE_WAITING), REMOTE_WAITING);
  store<i32>(target, entry.tokens.sent + entry.tokens.workersSent, REMOTE_SENT);
  return true;
}

export function reportHash(endpoint: u32): u64 {
  return entryOf(endpoint).hash;
}

// ---- what workers publish: a record for each endpoint, in the snapshot's order -------------------------------------------

/** Whether this worker's counts of any endpoint differ from the counts that it last published. */
export function ownChanged(): bool {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const part = entry.inFlight;
    if (part.own != part.published || settledOwn(part) != part.publishedSettled) return true;
    if (entry.tokens.sent != entry.tokens.publishedSent) return true;
  }
  return false;
}

/** Whether this worker has counts that are neither in its share nor published as what its share lacks, or the other way round. */
export function unsharedChanged(): bool {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const part = entry.inFlight;
    const share = entry.otherWorkers.share;
    if (part.own - requestsIn(share) != part.publishedUnshared) return true;
    if (unitsOf(entry.tokens.waiting) - waitingIn(share) != part.publishedUnsharedUnits) return true;
  }
  return false;
}

/** Writes this worker's counts of every endpoint to `target`, and remembers them as published. */
export function publishOwn(target: usize): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const part = entry.inFlight;
    part.published = part.own;
    part.publishedSettled = settledOwn(part);
    const record = changetype<Published>(target + i * PUBLISHED_BYTES);
    record.own = part.own;
    record.settled = part.publishedSettled;
    record.waiting = entry.tokens.waiting;
    record.sent = entry.tokens.sent;
    entry.tokens.publishedSent = entry.tokens.sent;
    record.sharedRequests = requestsIn(entry.otherWorkers.share);
    record.sharedUnits = waitingIn(entry.otherWorkers.share);
    part.publishedUnshared = record.own - record.sharedRequests;
    part.publishedUnsharedUnits = unitsOf(record.waiting) - record.sharedUnits;
  }
  generation++;
}

/** Own settled requests: those that started before this worker last published. */
function settledOwn(part: InFlight): i32 {
  return part.own - (part.freshSince == generation ? part.fresh : 0);
}
