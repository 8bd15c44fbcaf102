// The table of entries (entry.ts). A hash of the endpoint's address finds an entry. So a stream can end its count after any number
// of new snapshots. An entry stays while its endpoint is in the snapshot, or while a stream counts on the endpoint.
import { mix, textHash } from "../base/hash";
import { NONE, SnapshotView } from "../snapshot/view";
import { ENTRY_BYTES, Entry, LINE } from "./entry";

const MIN_CAPACITY: u32 = 64;

/** The entries, at a multiple of LINE in the memory at `allocated`. */
let table: usize = 0;
let allocated: usize = 0;
let mask: u32 = 0;
/** A usize for each endpoint of the current snapshot: the address of its entry. */
let byEndpoint: usize = 0;
/** A u64 for each endpoint: a copy of its hash, for loops over a whole pool. */
let hashes: usize = 0;
let endpointCapacity: u32 = 0;
let endpoints: u32 = 0;
let topology: u64 = 0;
let changes: u32 = 0;
/** The number that the next new endpoint gets (Entry.number). */
let nextNumber: u32 = 0;

/** Returns the entry of the endpoint with this address hash; null if the table has no such entry. No endpoint has the hash 0. */
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
/** How often the endpoints or their order have changed (wraps). Differs also after endpoints came and went again. */
export function topologyChanges(): u32 {
  return changes;
}
export function endpointCount(): u32 {
  return endpoints;
}

/** Makes the entries follow a snapshot's endpoints. False: the endpoints and their order are the same as before. */
export function followEndpoints(view: SnapshotView): bool {
  const hash = topologyOf(view);
  if (hash == topology && endpoints == view.endpointCount) return false;
  topology = hash;
  changes++;
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
      entry.number = nextNumber++;
      return entry;
    }
    i = (i + 1) & mask;
  }
}

/** Makes a table with room for `incoming` endpoints and for all entries that are still needed, and moves these entries over. */
function rebuild(incoming: u32): void {
  const old = table;
  const oldAllocated = allocated;
  const oldCapacity = old ? mask + 1 : 0;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < oldCapacity; i++) if (matters(changetype<Entry>(old + i * ENTRY_BYTES))) kept++;
  let capacity = MIN_CAPACITY;
  while (capacity * 3 < (incoming + kept) * 4) capacity <<= 1;
  allocated = heap.alloc(capacity * ENTRY_BYTES + LINE);
  table = (allocated + LINE - 1) & ~(<usize>LINE - 1);
  memory.fill(table, 0, capacity * ENTRY_BYTES);
  mask = capacity - 1;
  // An entry that moves keeps its number. New endpoints get the next numbers without a gap, so that few share their low bits.
  const numbered = nextNumber;
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const entry = changetype<Entry>(old + i * ENTRY_BYTES);
    if (!matters(entry)) continue;
    const moved = insert(entry.hash);
    memory.copy(changetype<usize>(moved), changetype<usize>(entry), ENTRY_BYTES);
    moved.endpoint = NONE;
  }
  nextNumber = numbered;
  if (old) heap.free(oldAllocated);
}

function matters(entry: Entry): bool {
  return entry.hash != 0 && (entry.inFlight.own != 0 || entry.endpoint != NONE);
}
