// Requests in flight per endpoint, as this worker knows them. Entries are found by a hash of the endpoint's address, so
// that a stream can give back what it took whatever snapshots came meanwhile.
//   own        streams of this worker on the endpoint: exact
//   others     what the other workers last told (filter/exchange.ts)
//   published  `own` when this worker last told them
//   unseen     requests that the model server reported and no worker of ours had sent
// Invariant: every started() is followed by exactly one finished() with the same hash.
import { UNKNOWN } from "../../protocol/constants";
import { NONE, SnapshotView } from "../snapshot/view";

@unmanaged
class Entry {
  hash: u64 = 0;
  scrapedAt: u64 = 0;
  endpoint: u32 = 0;
  own: i32 = 0;
  others: i32 = 0;
  published: i32 = 0;
  unseen: i32 = 0;
  reserved: u32 = 0;
}

const ENTRY_BYTES: u32 = offsetof<Entry>();
const SMALLEST: u32 = 64;

let table: usize = 0;
let mask: u32 = 0;
let used: u32 = 0;
/** usize per endpoint of the current snapshot: its entry. */
let byEndpoint: usize = 0;
let endpointCapacity: u32 = 0;
let endpoints: u32 = 0;
let topology: u64 = 0;
/** Version of the snapshot whose scrapes were looked at last. */
let scrapedVersion: u64 = 0;
let ownTotal: i32 = 0;
let otherWorkers: i32 = 0;
let othersTotal: i32 = 0;

/** Hash of an address; never 0. Multiply and fold over 8-byte words (wyhash's step); addresses come authenticated. */
export function addressHash(text: usize, length: u32): u64 {
  let hash: u64 = 0x9e3779b97f4a7c15 ^ length;
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) hash = mix(hash ^ load<u64>(text + i));
  let tail: u64 = 0;
  for (; i < length; i++) tail = (tail << 8) | load<u8>(text + i);
  return mix(hash ^ tail) | 1;
}

function mix(x: u64): u64 {
  const product = x * 0xd6e8feb86659fd93;
  return (product ^ (product >> 32)) * 0xd6e8feb86659fd93;
}

function find(hash: u64): usize {
  if (!table) return 0;
  let i = <u32>(hash >> 16) & mask;
  while (true) {
    const entry = changetype<Entry>(table + i * ENTRY_BYTES);
    if (entry.hash == hash) return changetype<usize>(entry);
    if (entry.hash == 0) return 0;
    i = (i + 1) & mask;
  }
}

function insert(hash: u64): Entry {
  let i = <u32>(hash >> 16) & mask;
  while (true) {
    const entry = changetype<Entry>(table + i * ENTRY_BYTES);
    if (entry.hash == hash) return entry;
    if (entry.hash == 0) {
      entry.hash = hash;
      entry.endpoint = NONE;
      used++;
      return entry;
    }
    i = (i + 1) & mask;
  }
}

/** Makes the table follow a snapshot's endpoints. Entries of endpoints that are gone stay while they are in use. */
export function followTopology(view: SnapshotView): void {
  const hash = topologyOf(view);
  if (hash == topology && endpoints == view.endpointCount) return;
  topology = hash;
  rebuild(view.endpointCount);
  endpoints = view.endpointCount;
  if (endpoints > endpointCapacity) {
    if (byEndpoint) heap.free(byEndpoint);
    endpointCapacity = endpoints;
    byEndpoint = heap.alloc(endpoints * sizeof<usize>());
  }
  for (let i: u32 = 0; i < endpoints; i++) {
    const entry = insert(addressHash(view.address(i), view.addressLength(i)));
    entry.endpoint = i;
    store<usize>(byEndpoint + i * sizeof<usize>(), changetype<usize>(entry));
  }
}

function topologyOf(view: SnapshotView): u64 {
  let hash: u64 = view.endpointCount;
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    hash = mix(hash ^ addressHash(view.address(i), view.addressLength(i)));
  }
  return hash;
}

/** A table with room for `incoming` endpoints and for all entries that still count something, which move over. */
function rebuild(incoming: u32): void {
  const old = table;
  const oldCapacity = old ? mask + 1 : 0;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const entry = changetype<Entry>(old + i * ENTRY_BYTES);
    if (entry.hash != 0 && (entry.own != 0 || entry.endpoint != NONE)) kept++;
  }
  let capacity = SMALLEST;
  while (capacity * 3 < (incoming + kept) * 4) capacity <<= 1;
  table = heap.alloc(capacity * ENTRY_BYTES);
  memory.fill(table, 0, capacity * ENTRY_BYTES);
  mask = capacity - 1;
  used = 0;
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const entry = changetype<Entry>(old + i * ENTRY_BYTES);
    if (entry.hash == 0 || (entry.own == 0 && entry.endpoint == NONE)) continue;
    const moved = insert(entry.hash);
    memory.copy(changetype<usize>(moved), changetype<usize>(entry), ENTRY_BYTES);
    moved.endpoint = NONE;
    moved.others = 0;
  }
  if (old) heap.free(old);
  othersTotal = 0;
}

function entryOf(endpoint: u32): Entry {
  return changetype<Entry>(load<usize>(byEndpoint + endpoint * sizeof<usize>()));
}

/** Corrects `unseen` from scrapes that are newer than the last one looked at. */
export function followScrapes(view: SnapshotView): void {
  const producedAt = view.version / 1000;
  // A version below the last one was let in because that one was stale: the clock behind it may have been ahead.
  const restarted = view.version < scrapedVersion;
  scrapedVersion = view.version;
  for (let i: u32 = 0; i < endpoints; i++) {
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
  const entry = find(addressHash(text, length));
  if (!entry || changetype<Entry>(entry).endpoint == NONE) return 0;
  return started(changetype<Entry>(entry).endpoint);
}

export function finished(hash: u64): void {
  const entry = find(hash);
  if (!entry) return;
  changetype<Entry>(entry).own--;
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
export function topologyHash(): u64 {
  return topology;
}
export function endpointCount(): u32 {
  return endpoints;
}

// ---- what workers tell each other: one i32 per endpoint, in the snapshot's order --------------------------------------

/** Whether `own` of any endpoint differs from what the others were told. */
export function ownChanged(): bool {
  for (let i: u32 = 0; i < endpoints; i++) {
    const entry = entryOf(i);
    if (entry.own != entry.published) return true;
  }
  return false;
}

/** Writes `own` of every endpoint to `target` and remembers it as told. */
export function publishOwn(target: usize): void {
  for (let i: u32 = 0; i < endpoints; i++) {
    const entry = entryOf(i);
    entry.published = entry.own;
    store<i32>(target + i * 4, entry.own);
  }
}

/** Begins a round of addOthers(): nothing is known of the others. */
export function clearOthers(): void {
  otherWorkers = 0;
  othersTotal = 0;
  for (let i: u32 = 0; i < endpoints; i++) entryOf(i).others = 0;
}

/** Adds one worker's vector, which has endpointCount() numbers for the same topology. */
export function addOthers(vector: usize): void {
  otherWorkers++;
  for (let i: u32 = 0; i < endpoints; i++) {
    const count = load<i32>(vector + i * 4);
    if (count <= 0) continue;
    entryOf(i).others += count;
    othersTotal += count;
  }
}
