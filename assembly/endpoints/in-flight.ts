// In-flight requests of each endpoint, as this worker knows them: Entry.inFlight (entry.ts explains each field).
//
// A request is settled when it has lived through a tick. A shorter request ends before the other workers receive its count, and
// its count would only keep them away from an endpoint that is idle again. So a cost counts only the settled requests of other
// workers. The limits of places, the estimate of unseen requests, and the metrics count all requests.
// Requests that no filter sent are estimated in unseen.ts.
// Invariant: every started() is followed by exactly one finished() with the same hash.
import {
  MAX_REMOTE,
  MAX_REMOTE_WAITING,
  REMOTE_REQUESTS,
  REMOTE_SENT,
  REMOTE_SETTLED,
  REMOTE_WAITING,
} from "../../protocol/constants";
import { textHash } from "../base/hash";
import { NONE, SnapshotView } from "../snapshot/view";
import { endpointCount, entryOf, findEntry, followEndpoints } from "./entries";
import { Entry, InFlight } from "./entry";
import { beginRemote, receiveRemote, remoteInFlightNow } from "./remote";
import { estimateOf, knownRose, UNSEEN_NOISE } from "./unseen";
import {
  addOthersTokens,
  beginOthersTokens,
  endOthersTokens,
  forgetOthersTokens,
  tokensPublished,
} from "./waiting-tokens";

let ownTotal: i32 = 0;
let otherWorkers: i32 = 0;
let othersTotal: i32 = 0;

/** Makes the counts follow a snapshot's endpoints. If the endpoints changed, the counts of the other workers are forgotten. */
export function followTopology(view: SnapshotView): void {
  if (!followEndpoints(view)) return;
  othersTotal = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    entry.inFlight.others = 0;
    entry.inFlight.othersSettled = 0;
    forgetOthersTokens(entry);
  }
}

/** Takes over what other Envoys have in flight, from a snapshot that came at `now`, ns. */
export function followRemote(view: SnapshotView, now: u64): void {
  const newer = beginRemote(view, now);
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    receiveRemote(view, i, localInFlight(entry), newer);
    knownRose(entry);
  }
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

/** Requests on an endpoint: own requests, settled requests of others, and requests that others have probably sent since. */
export function seenInFlight(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  const local = localInFlight(entry);
  return local + remoteInFlightNow(entry, local);
}

/**
 * Requests of this Envoy. Each other worker is assumed to have sent as many requests as this worker since this worker last
 * published. A burst reaches all workers at once, and without the assumption they would all see the same idle endpoint.
 */
function localInFlight(entry: Entry): i32 {
  const part = entry.inFlight;
  const burst = part.own - part.published;
  return part.own + part.othersSettled + (burst > 0 ? burst * otherWorkers : 0);
}

/**
 * Requests that may be on an endpoint by now, for the limits of places. The sum of: own requests; requests that other workers
 * and Envoys published; for each other worker, as many requests as this worker sent since it published; unseen requests.
 */
export function inFlightAt(endpoint: u32): f32 {
  const entry = entryOf(endpoint);
  const part = entry.inFlight;
  const burst = max(part.own - part.published, 0) * otherWorkers;
  const seen = part.own + part.others + entry.remote.requests + burst;
  return <f32>max(seen, 0) + max<f32>(estimateOf(entry) - UNSEEN_NOISE, 0);
}

/** Requests that the workers of this Envoy count, without unseen requests and without any guess. */
export function counted(endpoint: u32): i32 {
  const part = entryOf(endpoint).inFlight;
  return part.own + part.others;
}

/** Requests of other Envoys, as received last. */
export function remoteInFlight(endpoint: u32): i32 {
  return entryOf(endpoint).remote.requests;
}

export function ownInFlight(): i32 {
  return ownTotal;
}
/** In-flight requests of all workers, on all endpoints. */
export function totalInFlight(): i32 {
  return ownTotal + othersTotal;
}
/** Number of other workers that are alive. */
export function workersBeside(): i32 {
  return otherWorkers;
}

/** Writes an endpoint's record of the section REMOTE (protocol/) for a traffic report. False: the endpoint has no request. */
export function reportEntry(endpoint: u32, target: usize): bool {
  const entry = entryOf(endpoint);
  const part = entry.inFlight;
  const requests = max(part.own + part.others, 0);
  const waiting = max(entry.tokens.waiting + entry.tokens.workersWaiting, 0);
  if (requests == 0 && waiting == 0) return false;
  store<i32>(target, min<i32>(requests, MAX_REMOTE), REMOTE_REQUESTS);
  store<i32>(target, min(max(settledOwn(part) + part.othersSettled, 0), requests), REMOTE_SETTLED);
  store<i32>(target, min<i32>(waiting, MAX_REMOTE_WAITING), REMOTE_WAITING);
  store<i32>(target, entry.tokens.sent + entry.tokens.workersSent, REMOTE_SENT);
  return true;
}

export function reportHash(endpoint: u32): u64 {
  return entryOf(endpoint).hash;
}

// ---- what workers publish: a record for each endpoint, in the snapshot's order -------------------------------------------

@unmanaged
class Published {
  /** In-flight requests, and how many of these are settled. */
  own: i32 = 0;
  settled: i32 = 0;
  /** Waiting tokens, and all tokens ever sent (wraps). */
  waiting: i32 = 0;
  sent: i32 = 0;
}

export const PUBLISHED_BYTES: u32 = offsetof<Published>();

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
    record.sent = tokensPublished(entry);
  }
  generation++;
}

/** Own settled requests: those that started before this worker last published. */
function settledOwn(part: InFlight): i32 {
  return part.own - (part.freshSince == generation ? part.fresh : 0);
}

/** Begins a round of addOthers(): forgets the counts of the other workers. */
export function beginOthers(): void {
  otherWorkers = 0;
  othersTotal = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    entry.inFlight.others = 0;
    entry.inFlight.othersSettled = 0;
    beginOthersTokens(entry);
  }
}

/** Adds the counts that one worker published: endpointCount() records for the same endpoints in the same order. */
export function addOthers(published: usize): void {
  otherWorkers++;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const record = changetype<Published>(published + i * PUBLISHED_BYTES);
    const requests = max(record.own, 0);
    entry.inFlight.others += requests;
    entry.inFlight.othersSettled += max(record.settled, 0);
    othersTotal += requests;
    addOthersTokens(entry, max(record.waiting, 0), record.sent);
  }
}

/** Ends the round at `now`, ns. */
export function endOthers(now: u64): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    endOthersTokens(entry, now);
    knownRose(entry);
  }
}
