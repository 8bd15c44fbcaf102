// Requests in flight per endpoint, as this worker knows them.
//   own        streams of this worker on the endpoint: exact
//   others     what the other workers last told (workers/counts.ts); othersSettled: of these, those that had lived through a tick
//   published  `own` when this worker last told them
//   young      of `own`, those that started since then, if youngSince is this generation
//   told       what they were told
//   unseenAverage  requests that the model server reported and no worker of ours had sent, nor any other Envoy (remote.ts)
// For the cost only those count: what is shorter is over before the others hear of it, and would only keep them away from
// an endpoint that is idle again. For what is unseen, and for people, all of them count.
// Invariant: every started() is followed by exactly one finished() with the same hash.
import {
  MAX_REMOTE,
  MAX_REMOTE_PENDING,
  REMOTE_LASTED,
  REMOTE_PENDING,
  REMOTE_REQUESTS,
  REMOTE_SENT,
  UNKNOWN,
} from "../../protocol/constants";
import { textHash } from "../base/hash";
import { NONE, SnapshotView } from "../snapshot/view";
import { Entry, endpointCount, entryOf, findEntry, followEndpoints } from "./entries";
import { beginRemote, receiveRemote, remoteInFlightNow } from "./remote";
import { receiveTokens } from "./waiting-tokens";

/** Span of the average of what no filter of this Envoy sent. */
const AVERAGE_MILLISECONDS: u64 = 2000;

/** Version of the snapshot whose scrapes were looked at last. */
let scrapedVersion: u64 = 0;
let ownTotal: i32 = 0;
let otherWorkers: i32 = 0;
let othersTotal: i32 = 0;

/** Makes the counts follow a snapshot's endpoints. */
export function followTopology(view: SnapshotView): void {
  if (followEndpoints(view)) othersTotal = 0;
}

/** Takes over what other Envoys have in flight, from a snapshot that came at `now`, ns. */
export function followRemote(view: SnapshotView, now: u64): void {
  const newer = beginRemote(view, now);
  for (let i: u32 = 0; i < endpointCount(); i++) receiveRemote(view, i, localInFlight(entryOf(i)), newer);
}

/** Corrects `unseen` from scrapes that are newer than the last one looked at. */
export function followScrapes(view: SnapshotView): void {
  const producedAt = view.version / 1000;
  // A version below the last one was let in because that one was stale: the clock behind it may have been ahead.
  const restarted = view.version < scrapedVersion;
  scrapedVersion = view.version;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const waiting = view.waiting(i);
    const running = view.running(i);
    const age = view.scrapeAge(i);
    const entry = entryOf(i);
    if (age == UNKNOWN || waiting == UNKNOWN || running == UNKNOWN) {
      entry.unseenAverage = 0;
      continue;
    }
    const scrapedAt = producedAt > age ? producedAt - age : 0;
    if (scrapedAt <= entry.scrapedAt && !restarted) continue;
    const since = scrapedAt > entry.scrapedAt ? scrapedAt - entry.scrapedAt : AVERAGE_MILLISECONDS;
    entry.scrapedAt = scrapedAt;
    const unseen = <i64>waiting + running - entry.own - entry.others - entry.remote;
    const weight = <f32>min<u64>(since, AVERAGE_MILLISECONDS) / <f32>AVERAGE_MILLISECONDS;
    entry.unseenAverage += weight * (<f32>min<i64>(max<i64>(unseen, 0), 1 << 24) - entry.unseenAverage);
  }
}

/** Rises whenever this worker tells the others; with it finished() knows how old a request is. */
let generation: u32 = 1;

export function publishGeneration(): u32 {
  return generation;
}

/** Counts a request onto an endpoint of the current snapshot; returns what finished() needs, beside publishGeneration(). */
export function started(endpoint: u32): u64 {
  const entry = entryOf(endpoint);
  entry.own++;
  if (entry.youngSince != generation) {
    entry.youngSince = generation;
    entry.young = 0;
  }
  entry.young++;
  ownTotal++;
  return entry.hash;
}

/** Counts a request onto the endpoint at an address, if the current snapshot has it; 0 otherwise. */
export function startedAt(text: usize, length: u32): u64 {
  const entry = findEntry(textHash(text, length));
  return entry === null || entry.endpoint == NONE ? 0 : started(entry.endpoint);
}

/** `since`: publishGeneration() when it started. */
export function finished(hash: u64, since: u32): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  entry.own--;
  if (since == generation) entry.young--;
  ownTotal--;
}

/** Requests on an endpoint that the filters of this Envoy and of the other ones sent. */
export function seenInFlight(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  const local = localInFlight(entry);
  return local + remoteInFlightNow(entry, local);
}

/**
 * Those of this Envoy. What this worker sent since it last told the others is taken to be what each of them sent too: a
 * burst reaches all workers at once, and they would all see the same idle endpoint.
 */
function localInFlight(entry: Entry): i32 {
  const burst = entry.own - entry.published;
  return entry.own + entry.othersSettled + (burst > 0 ? burst * otherWorkers : 0);
}

/** Requests that the model server reported beyond those, averaged over 2 s. */
export function unseenInFlight(endpoint: u32): f32 {
  return entryOf(endpoint).unseenAverage;
}

/** Own requests end between a scrape and its arrival: fewer unseen requests than this say nothing. */
export const UNSEEN_NOISE: f32 = 1;

/**
 * Requests that may be on an endpoint by now, for the limits of places: own ones, what other workers and Envoys published, as
 * many again for each worker as this worker sent since it published, and what the model server reported beyond those.
 */
export function inFlightAt(endpoint: u32): f32 {
  const entry = entryOf(endpoint);
  const burst = max(entry.own - entry.published, 0) * otherWorkers;
  return <f32>max(entry.own + entry.others + entry.remote + burst, 0) + max<f32>(entry.unseenAverage - UNSEEN_NOISE, 0);
}

/** Without `unseen` and without any guess: what the filters of this Envoy count. */
export function counted(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  return entry.own + entry.others;
}

/** Those of other Envoys, as last told. */
export function remoteInFlight(endpoint: u32): i32 {
  return entryOf(endpoint).remote;
}

export function ownInFlight(): i32 {
  return ownTotal;
}
/** Of all workers. */
export function totalInFlight(): i32 {
  return ownTotal + othersTotal;
}
/** Workers beside this one that are alive. */
export function workersBeside(): i32 {
  return otherWorkers;
}

/** What a report says of an endpoint, in 16 bytes of protocol/'s remote record; false when there is nothing to say. */
export function reportEntry(endpoint: u32, target: usize): bool {
  const entry = entryOf(endpoint);
  const requests = max(entry.own + entry.others, 0);
  const pending = max(entry.pending + entry.workersPending, 0);
  if (requests == 0 && pending == 0) return false;
  store<i32>(target, min<i32>(requests, MAX_REMOTE), REMOTE_REQUESTS);
  store<i32>(target, min(max(grown(entry) + entry.othersSettled, 0), requests), REMOTE_LASTED);
  store<i32>(target, min<i32>(pending, MAX_REMOTE_PENDING), REMOTE_PENDING);
  store<i32>(target, entry.sent + entry.workersSent, REMOTE_SENT);
  return true;
}

export function reportHash(endpoint: u32): u64 {
  return entryOf(endpoint).hash;
}

// ---- what workers tell each other: PUBLISHED_BYTES per endpoint, in the snapshot's order ------------------------------------
//   i32 own requests in flight, i32 of these grown, i32 pending tokens, i32 tokens ever sent (wraps)

export const PUBLISHED_BYTES: u32 = 16;

/** Whether anything of an endpoint differs from what the others were told. */
export function ownChanged(): bool {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    if (entry.own != entry.published || grown(entry) != entry.told || entry.sent != entry.publishedSent) return true;
  }
  return false;
}

/** Writes this worker's numbers of every endpoint to `target` and remembers them as told. */
export function publishOwn(target: usize): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const at = target + i * PUBLISHED_BYTES;
    entry.published = entry.own;
    entry.publishedSent = entry.sent;
    entry.told = grown(entry);
    store<i32>(at, entry.own);
    store<i32>(at, entry.told, 4);
    store<i32>(at, entry.pending, 8);
    store<i32>(at, entry.sent, 12);
  }
  generation++;
}

/** Requests that have lived since this worker last told the others. */
function grown(entry: Entry): i32 {
  return entry.own - (entry.youngSince == generation ? entry.young : 0);
}

/** Begins a round of addOthers(): nothing is known of the others. */
export function beginOthers(): void {
  otherWorkers = 0;
  othersTotal = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    entry.others = 0;
    entry.othersSettled = 0;
    entry.heardPending = 0;
    entry.heardSent = 0;
  }
}

/** Adds one worker's numbers, which are endpointCount() for the same topology. */
export function addOthers(told: usize): void {
  otherWorkers++;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    const at = told + i * PUBLISHED_BYTES;
    const requests = max(load<i32>(at), 0);
    entry.others += requests;
    entry.othersSettled += max(load<i32>(at, 4), 0);
    othersTotal += requests;
    entry.heardPending += max(load<i32>(at, 8), 0);
    entry.heardSent += load<i32>(at, 12);
  }
}

/** Ends the round at `now`, ns. */
export function endOthers(now: u64): void {
  for (let i: u32 = 0; i < endpointCount(); i++) receiveTokens(entryOf(i), now);
}
