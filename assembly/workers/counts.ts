// How workers exchange their counts of in-flight requests. Each worker publishes its counts under a key of its own, on the tick and
// when it becomes idle (filter/on-tick.ts), if the counts have changed. It receives the other workers' counts on the tick. The
// summary has the number of keys that were ever claimed.
//   pilotfish.counts.N   WorkerHeader, then a Published (endpoints/other-workers.ts) for each endpoint
// A worker claims a key after its first request, or its first poll (filter/reserved/polls.ts). It takes a key that nobody has refreshed
// for ABANDONED, else the next unused key. Two workers may claim one key: both at once when the key is unused, or the second when the
// first stood still for so long that its key seemed abandoned. So a worker in doubt checks whose id the key's value has, and the loser claims again. No worker
// uses a value that is older than SILENT, so the counts of a dead worker disappear.
//
// While the shared record (shared-load.ts) has all counts, what is published here is not needed, and workers publish and receive once in a
// ROUND. They do so on every tick again when a worker comes or goes, endpoints change, or a worker could not write the record.
//
// Bound: the counts of the other workers are at most one tick of each side old, 40 ms. For a traffic report (filter/reserved/) the
// worker receives the counts anew, so they are at most one tick old. Picks use these counts only where the shared record does not
// count (shared-load.ts). Whether a request is settled (endpoints/in-flight.ts) shows in the second publication after its start. If a
// request began and another request ended between two ticks, the counts may be unchanged. Then the worker publishes nothing, and the
// request is settled with the next change, or REFRESH later.
import { endpointCount, topologyHash } from "../endpoints/entries";
import { hasSent, ownChanged, publishOwn, unsharedChanged } from "../endpoints/in-flight";
import { addOthers, beginOthers, endOthers, PUBLISHED_BYTES, workersBeside } from "../endpoints/other-workers";
import { MAX_WORKERS } from "../endpoints/shared-record";
import { beginChange, NumberedKeys, readShared, workerId, writeShared } from "./shared-data";
import { countsAll, dropShares, followLoad, shareChanges } from "./shared-load";
import { claimNumber, summary } from "./summary";

@unmanaged
class WorkerHeader {
  /** workerId() of the key's owner. */
  owner: u64 = 0;
  /** topologyHash() of the endpoints. Their counts follow in the order that the hash stands for. */
  topology: u64 = 0;
  /** When the worker published the value, ns. */
  at: u64 = 0;
}

const HEADER: u32 = offsetof<WorkerHeader>();
/** Counts older than this are not used, ns. */
const SILENT: u64 = 1200000000;
/** Another worker may take a key whose value is older than this, ns. */
const ABANDONED: u64 = 10000000000;
/** A worker refreshes its key at least this often, ns, so that the other workers know that it lives. */
const REFRESH: u64 = 500000000;
/** Time is divided into rounds of this length, ns. While the shared record has all counts, a worker publishes and receives once in a round. */
const ROUND: u64 = 100000000;
/** The exchange goes on every tick for this long after it found something new, ns. */
const CALM: u64 = 200000000;
/** For this long after a claim a worker checks whether the key is still its own, ns. */
const DOUBTED: u64 = 1000000000;
const NO_KEY: u32 = 0xffffffff;

const keys = new NumberedKeys("pilotfish.counts", MAX_WORKERS);
/** Number of this worker's key. */
let mine: u32 = NO_KEY;
/** Whether joinWorkers() was called. */
let joins: bool = false;
let claimedAt: u64 = 0;
let publishedAt: u64 = 0;
let publishedTopology: u64 = 0;
/** When this worker last received the other workers' counts, ns, and how many keys and living workers it found. */
let receivedAt: u64 = 0;
let receivedKeys: u32 = 0;
let receivedWorkers: i32 = 0;
/** When the exchange last found something new, ns. */
let troubledAt: u64 = 0;
/** Memory for the value that this worker publishes: the header, then the counts. */
let value: usize = 0;
let valueBytes: u32 = 0;
/** A u64 for each key: `at` of a value that was too old, so that its worker's death is dealt with once. */
const silentSince: usize = memory.data(MAX_WORKERS * 8, 8);

/** Call on the tick at `now`, ns, after readSummary(). */
export function exchangeCounts(now: u64): void {
  publishCounts(now);
  if (isDone(receivedAt, now)) follow(now);
  else receiveCounts(now);
}

/**
 * Whether what was done at `at` need not be done again at `now`, because it was done in this round. Only while the exchange has found
 * for CALM that the shared record has all counts of the same workers.
 */
function isDone(at: u64, now: u64): bool {
  return at / ROUND == now / ROUND && now - troubledAt > CALM && countsAll() && claimed() == receivedKeys;
}

/** Makes this worker take part before it has sent a request, so that it receives what the others have at each moment. */
export function joinWorkers(): void {
  joins = true;
}

function takesPart(): bool {
  return joins || hasSent();
}

/** Publishes counts that the other workers do not have yet. */
export function publishCounts(now: u64): void {
  if (endpointCount() == 0) return;
  if (mine == NO_KEY && takesPart()) claim(now);
  if (mine == NO_KEY || !isOwn(now)) return;
  shareChanges(now);
  const isNew = publishedTopology != topologyHash() || unsharedChanged() || now - publishedAt > REFRESH;
  if (!isNew && (isDone(publishedAt, now) || !ownChanged())) return;
  const bytes = writeValue(now);
  if (!writeShared(keys.at(mine), value, bytes)) mine = NO_KEY;
}

/** Returns whether `mine` is still this worker's key. Makes no host call when no other worker can have claimed the key. */
function isOwn(now: u64): bool {
  if (now - claimedAt > DOUBTED && now - publishedAt < ABANDONED / 2) return true;
  const known = readShared(keys.at(mine));
  if (known.length >= HEADER && changetype<WorkerHeader>(known.pointer).owner == workerId()) return true;
  mine = NO_KEY;
  if (takesPart()) claim(now);
  return false;
}

/** Number of claimed keys in the last summary that this worker read. */
function claimed(): u32 {
  return <u32>min<u64>(summary().workers, MAX_WORKERS);
}

/** Claims a key and publishes this worker's counts under it. Sets `mine`, unless no key is left. */
function claim(now: u64): void {
  claimedAt = now;
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) if (claimAbandoned(worker, now)) return;
  const next = claimNumber();
  if (next == MAX_WORKERS) return;
  const bytes = writeValue(now);
  if (writeShared(keys.at(next), value, bytes)) mine = next;
}

/** Claims the key if its worker is gone. Returns false when that worker lives, or when another worker was faster. */
function claimAbandoned(worker: u32, now: u64): bool {
  const change = beginChange(keys.at(worker));
  if (!change.next() || change.length < HEADER) return false;
  const at = changetype<WorkerHeader>(change.pointer).at;
  if (now <= at || now - at <= ABANDONED) return false;
  const bytes = writeValue(now);
  change.write(value, bytes);
  if (!change.made()) return false;
  mine = worker;
  return true;
}

/** Writes this worker's counts to `value`, and remembers them as published. Returns the value's length. */
function writeValue(now: u64): u32 {
  const bytes = HEADER + endpointCount() * PUBLISHED_BYTES;
  if (bytes > valueBytes) {
    if (value) heap.free(value);
    valueBytes = bytes;
    value = heap.alloc(bytes);
  }
  const header = changetype<WorkerHeader>(value);
  header.owner = workerId();
  header.topology = topologyHash();
  header.at = now;
  publishOwn(value + HEADER);
  publishedAt = now;
  publishedTopology = topologyHash();
  return bytes;
}

/** Call after readSummary(). Takes over the counts that the other workers published last. */
export function receiveCounts(now: u64): void {
  if (endpointCount() == 0) return;
  beginOthers();
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) {
    if (worker == mine) continue;
    const known = readShared(keys.at(worker));
    if (known.length != HEADER + endpointCount() * PUBLISHED_BYTES) continue;
    const header = changetype<WorkerHeader>(known.pointer);
    if (header.topology != topologyHash()) continue;
    if (now > header.at && now - header.at > SILENT) {
      fellSilent(worker, header.at, now);
      continue;
    }
    addOthers(known.pointer + HEADER);
  }
  const unshared = endOthers(now);
  if (unshared || !countsAll() || used != receivedKeys || workersBeside() != receivedWorkers) troubledAt = now;
  receivedAt = now;
  receivedKeys = used;
  receivedWorkers = workersBeside();
  follow(now);
}

function follow(now: u64): void {
  // The others have this worker's shares now. So they must not add the same counts from the exchange.
  if (followLoad(mine != NO_KEY, now)) publishCounts(now);
}

/** Call when the value under a key, published at `at`, is too old. */
function fellSilent(worker: u32, at: u64, now: u64): void {
  const known = silentSince + worker * 8;
  if (load<u64>(known) == at) return;
  store<u64>(known, at);
  dropShares(at, now);
}
