// Requests in flight per endpoint, as this worker knows them.
//   own        streams of this worker on the endpoint: exact
//   others     what the other workers last told (filter/exchange.ts)
//   published  `own` when this worker last told them
//   unseen     requests that the model server reported and no worker of ours had sent
// Invariant: every started() is followed by exactly one finished() with the same hash.
import { UNKNOWN } from "../../protocol/constants";
import { NONE, SnapshotView } from "../snapshot/view";
import { addressHash, endpointCount, entryOf, findEntry, followEndpoints } from "./entries";

/** Version of the snapshot whose scrapes were looked at last. */
let scrapedVersion: u64 = 0;
let ownTotal: i32 = 0;
let otherWorkers: i32 = 0;
let othersTotal: i32 = 0;

/** Makes the counts follow a snapshot's endpoints. */
export function followTopology(view: SnapshotView): void {
  if (followEndpoints(view)) othersTotal = 0;
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
      entry.unseen = 0;
      continue;
    }
    const scrapedAt = producedAt > age ? producedAt - age : 0;
    if (scrapedAt <= entry.scrapedAt && !restarted) continue;
    entry.scrapedAt = scrapedAt;
    const unseen = <i64>waiting + running - entry.own - entry.others;
    entry.unseen = unseen > 0 ? <i32>min<i64>(unseen, 1 << 24) : 0;
  }
}

/** Counts a request onto an endpoint of the current snapshot; returns what finished() needs. */
export function started(endpoint: u32): u64 {
  const entry = entryOf(endpoint);
  entry.own++;
  ownTotal++;
  return entry.hash;
}

/** Counts a request onto the endpoint at an address, if the current snapshot has it; 0 otherwise. */
export function startedAt(text: usize, length: u32): u64 {
  const entry = findEntry(addressHash(text, length));
  return entry === null || entry.endpoint == NONE ? 0 : started(entry.endpoint);
}

export function finished(hash: u64): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  entry.own--;
  ownTotal--;
}

/**
 * Requests on an endpoint: own, others', unseen. What this worker sent since it last told the others is taken to be
 * what each of them sent too: a burst reaches all workers at once, and they would all see the same idle endpoint.
 */
export function inFlight(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  const burst = entry.own - entry.published;
  return entry.own + entry.others + entry.unseen + (burst > 0 ? burst * otherWorkers : 0);
}

/** Without `unseen` and without any guess: what the filters of this Envoy count. */
export function counted(endpoint: u32): i32 {
  const entry = entryOf(endpoint);
  return entry.own + entry.others;
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

// ---- what workers tell each other: one i32 per endpoint, in the snapshot's order --------------------------------------

/** Whether `own` of any endpoint differs from what the others were told. */
export function ownChanged(): bool {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    if (entry.own != entry.published) return true;
  }
  return false;
}

/** Writes `own` of every endpoint to `target` and remembers it as told. */
export function publishOwn(target: usize): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const entry = entryOf(i);
    entry.published = entry.own;
    store<i32>(target + i * 4, entry.own);
  }
}

/** Begins a round of addOthers(): nothing is known of the others. */
export function clearOthers(): void {
  otherWorkers = 0;
  othersTotal = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) entryOf(i).others = 0;
}

/** Adds one worker's vector, which has endpointCount() numbers for the same topology. */
export function addOthers(vector: usize): void {
  otherWorkers++;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const count = load<i32>(vector + i * 4);
    if (count <= 0) continue;
    entryOf(i).others += count;
    othersTotal += count;
  }
}
