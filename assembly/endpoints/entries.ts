// What this worker knows of each endpoint, beyond the snapshot. Entries are found by a hash of the endpoint's address, so
// that a stream can give back what it took whatever snapshots came meanwhile. An entry stays while its endpoint is in the
// snapshot, or while a stream counts on it.
import { mix, textHash } from "../base/hash";
import { NONE, SnapshotView } from "../snapshot/view";

@unmanaged
export class Entry {
  hash: u64 = 0;
  /** in-flight.ts: instant of the scrape that `unseenAverage` ends with, ms since the epoch. */
  scrapedAt: u64 = 0;
  /** waiting-tokens.ts: instant, ns, of `queue`. */
  queueAt: u64 = 0;
  /** load-reports.ts: when it told its load with an answer, ns; 0: never. */
  reportedAt: u64 = 0;
  /** Its place in the current snapshot, NONE when it is not there. */
  endpoint: u32 = 0;
  // in-flight.ts: requests
  own: i32 = 0;
  others: i32 = 0;
  othersSettled: i32 = 0;
  published: i32 = 0;
  told: i32 = 0;
  young: i32 = 0;
  youngSince: u32 = 0;
  // waiting-tokens.ts: uncached prompt tokens
  pending: i32 = 0;
  othersPending: i32 = 0;
  sent: i32 = 0;
  publishedSent: i32 = 0;
  othersSent: i32 = 0;
  /** Sums of the round of the exchange that is under way. */
  heardPending: i32 = 0;
  heardSent: i32 = 0;
  /** Of these, what the other workers of this Envoy told. */
  workersPending: i32 = 0;
  workersSent: i32 = 0;
  // remote.ts
  remote: i32 = 0;
  remoteSettled: i32 = 0;
  remotePending: i32 = 0;
  remoteSent: i32 = 0;
  said: i32 = 0;
  saidBefore: i32 = 0;
  saidSent: i32 = 0;
  saidSentBefore: i32 = 0;
  queue: f32 = 0;
  reportedWaiting: f32 = 0;
  reportedKv: f32 = 0;
  unseenAverage: f32 = 0;
  // endpoints/cache/prefix-index.ts
  slot: u32 = 0;
  // speed.ts: logarithm of how much slower than predicted it answers, and of how many samples that is
  slowness: f32 = 0;
  samples: u32 = 0;
  // health.ts
  ejectedUntil: u64 = 0;
  rampFrom: u64 = 0;
  goneAt: u64 = 0;
  ejectionMilliseconds: u32 = 0;
  rampMilliseconds: u32 = 0;
  ejections: u32 = 0;
  /** In a row. */
  failures: u32 = 0;
  usable: bool = false;
  // adapters.ts
  activeAdapters: u32 = 0;
  waitingAdapters: u32 = 0;
}

const ENTRY_BYTES: u32 = offsetof<Entry>();
const SMALLEST: u32 = 64;

let table: usize = 0;
let mask: u32 = 0;
/** usize per endpoint of the current snapshot: its entry. */
let byEndpoint: usize = 0;
/** u64 per endpoint: its hash, once more, for loops over a whole pool. */
let hashes: usize = 0;
let endpointCapacity: u32 = 0;
let endpoints: u32 = 0;
let topology: u64 = 0;
/** Endpoints get numbers in the order in which they come; a number is never given twice (endpoints/cache/prefix-index.ts). */
let nextSlot: u32 = 0;

/** Entry of an address hash; null when there is none, as of 0. */
export function findEntry(hash: u64): Entry | null {
  if (!table) return null;
  let i = <u32>(hash >> 16) & mask;
  while (true) {
    const entry = changetype<Entry>(table + i * ENTRY_BYTES);
    if (entry.hash == 0) return null;
    if (entry.hash == hash) return entry;
    i = (i + 1) & mask;
  }
}

export function entryOf(endpoint: u32): Entry {
  return changetype<Entry>(load<usize>(byEndpoint + endpoint * sizeof<usize>()));
}

export function endpointHash(endpoint: u32): u64 {
  return load<u64>(hashes + endpoint * 8);
}

export function topologyHash(): u64 {
  return topology;
}
export function endpointCount(): u32 {
  return endpoints;
}

/** Makes the entries follow a snapshot's endpoints; false when they are the same ones in the same order. */
export function followEndpoints(view: SnapshotView): bool {
  const hash = topologyOf(view);
  if (hash == topology && endpoints == view.endpointCount) return false;
  topology = hash;
  rebuild(view.endpointCount);
  endpoints = view.endpointCount;
  if (endpoints > endpointCapacity) {
    if (byEndpoint) heap.free(byEndpoint);
    endpointCapacity = endpoints;
    byEndpoint = heap.alloc(endpoints * sizeof<usize>());
    if (hashes) heap.free(hashes);
    hashes = heap.alloc(endpoints * 8);
  }
  for (let i: u32 = 0; i < endpoints; i++) {
    const entry = insert(textHash(view.address(i), view.addressLength(i)));
    entry.endpoint = i;
    store<usize>(byEndpoint + i * sizeof<usize>(), changetype<usize>(entry));
    store<u64>(hashes + i * 8, entry.hash);
  }
  return true;
}

function topologyOf(view: SnapshotView): u64 {
  let hash: u64 = view.endpointCount;
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    hash = mix(hash ^ textHash(view.address(i), view.addressLength(i)));
  }
  return hash;
}

function insert(hash: u64): Entry {
  let i = <u32>(hash >> 16) & mask;
  while (true) {
    const entry = changetype<Entry>(table + i * ENTRY_BYTES);
    if (entry.hash == hash) return entry;
    if (entry.hash == 0) {
      entry.hash = hash;
      entry.endpoint = NONE;
      entry.slot = nextSlot++;
      return entry;
    }
    i = (i + 1) & mask;
  }
}

/** A table with room for `incoming` endpoints and for all entries that still matter, which move over. */
function rebuild(incoming: u32): void {
  const old = table;
  const oldCapacity = old ? mask + 1 : 0;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < oldCapacity; i++) if (matters(changetype<Entry>(old + i * ENTRY_BYTES))) kept++;
  let capacity = SMALLEST;
  while (capacity * 3 < (incoming + kept) * 4) capacity <<= 1;
  table = heap.alloc(capacity * ENTRY_BYTES);
  memory.fill(table, 0, capacity * ENTRY_BYTES);
  mask = capacity - 1;
  // Who moves keeps its number: those that come next follow without a gap, so that few have the same low bits.
  const numbered = nextSlot;
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const entry = changetype<Entry>(old + i * ENTRY_BYTES);
    if (!matters(entry)) continue;
    const moved = insert(entry.hash);
    memory.copy(changetype<usize>(moved), changetype<usize>(entry), ENTRY_BYTES);
    moved.endpoint = NONE;
    moved.others = 0;
    moved.othersSettled = 0;
    moved.othersPending = 0;
    moved.workersPending = 0;
  }
  nextSlot = numbered;
  if (old) heap.free(old);
}

function matters(entry: Entry): bool {
  return entry.hash != 0 && (entry.own != 0 || entry.endpoint != NONE);
}
