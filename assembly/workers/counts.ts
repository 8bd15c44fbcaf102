// How workers learn of each other's requests. Each worker publishes its counts under a key of its own, on the tick and when it
// becomes idle (filter/on-tick.ts), only when they changed, and receives the others' on the tick. The summary says how many
// keys were ever claimed.
//   pilotfish.worker.N   WorkerHeader, then endpoints/in-flight.ts PUBLISHED_BYTES for each endpoint
// A worker claims a key when it first has something to publish: a key that nobody refreshed for ABANDONED, else the next new
// one. Two workers may claim one key: both when it is new, or the second when the first stood still for so long that its key
// seemed abandoned. So a worker in doubt looks whose id is in the key; the loser claims again. The counts of a worker that
// dies end with it: nobody uses a key after SILENT.
// Bound: what a worker knows of the others is at most one tick of each side old, 40 ms. For a traffic report
// (filter/reserved/) the worker receives the counts anew, so they are at most one tick old. A request is in the others' costs
// once it is settled (endpoints/in-flight.ts). The second publication after its start says so, and the others receive that within
// three ticks, 60 ms. Exception: if a request began and another one ended between two ticks, the counts may be unchanged. Then
// the worker publishes nothing, and the request is settled with the next change, or REFRESH later.
import { updateWaiting } from "../endpoints/cache/prefix-updates";
import { endpointCount, topologyHash } from "../endpoints/entries";
import {
  addOthers,
  beginOthers,
  endOthers,
  ownChanged,
  ownInFlight,
  PUBLISHED_BYTES,
  publishOwn,
} from "../endpoints/in-flight";
import { publishPrefixes, receivePrefixesOf } from "./published-prefixes";
import { beginChange, MAX_WORKERS, NumberedKeys, readShared, workerId, writeShared } from "./shared-data";
import { claimNumber, summary } from "./summary";

@unmanaged
class WorkerHeader {
  /** workerId() of the key's owner. */
  owner: u64 = 0;
  /** topologyHash() of the endpoints, whose counts follow in that order. */
  topology: u64 = 0;
  /** When it was published, ns. */
  at: u64 = 0;
  endpoints: u32 = 0;
  /** Low half of where the owner's prefix updates end (published-prefixes.ts). */
  prefixesEnd: u32 = 0;
}

const HEADER: u32 = offsetof<WorkerHeader>();
/** Nanoseconds. */
const SILENT: u64 = 1500000000;
const ABANDONED: u64 = 10000000000;
/** A worker refreshes its key at least this often, so that the others know that it lives. */
const REFRESH: u64 = 500000000;
/** After a claim a worker looks for this long whether the key is still its own. */
const DOUBTED: u64 = 1000000000;
const NO_KEY: u32 = 0xffffffff;

const keys = new NumberedKeys("pilotfish.worker", MAX_WORKERS);
let mine: u32 = NO_KEY;
let claimedAt: u64 = 0;
let publishedAt: u64 = 0;
let publishedTopology: u64 = 0;
let publishedEnd: u32 = 0;
/** What is published: the header, then the counts. */
let value: usize = 0;
let valueBytes: u32 = 0;

/** On the tick at `now`, ns, after readSummary(). */
export function exchangeCounts(now: u64): void {
  publishCounts(now);
  receiveCounts(now);
}

/** Publishes what the others do not know yet, of requests and of prefixes. */
export function publishCounts(now: u64): void {
  if (endpointCount() == 0) return;
  if (mine == NO_KEY && (ownInFlight() > 0 || updateWaiting() > 0)) claim(now);
  if (mine == NO_KEY || !isOwn(now)) return;
  const prefixesEnd = <u32>publishPrefixes(mine, now);
  const due = now - publishedAt > REFRESH;
  if (!due && publishedTopology == topologyHash() && publishedEnd == prefixesEnd && !ownChanged()) return;
  const bytes = writeValue(now, prefixesEnd);
  if (!writeShared(keys.at(mine), value, bytes)) mine = NO_KEY;
}

/** Whether `mine` is this worker's key still. Costs nothing where nobody can have claimed it. */
function isOwn(now: u64): bool {
  if (now - claimedAt > DOUBTED && now - publishedAt < ABANDONED / 2) return true;
  const known = readShared(keys.at(mine));
  if (known.length >= HEADER && changetype<WorkerHeader>(known.pointer).owner == workerId()) return true;
  mine = NO_KEY;
  if (ownInFlight() > 0) claim(now);
  return false;
}

/** Keys that workers claimed, as the summary said last. */
function claimed(): u32 {
  return <u32>min<u64>(summary().workers, MAX_WORKERS);
}

function claim(now: u64): void {
  claimedAt = now;
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) if (claimAbandoned(worker, now)) return;
  const next = claimNumber();
  if (next == MAX_WORKERS) return;
  const bytes = writeValue(now, publishedEnd);
  if (writeShared(keys.at(next), value, bytes)) mine = next;
}

/** Claims the key of a worker that is gone. False: its worker lives, or another worker was faster. */
function claimAbandoned(worker: u32, now: u64): bool {
  const change = beginChange(keys.at(worker));
  if (!change.next() || change.length < HEADER) return false;
  const at = changetype<WorkerHeader>(change.pointer).at;
  if (now <= at || now - at <= ABANDONED) return false;
  const bytes = writeValue(now, publishedEnd);
  change.write(value, bytes);
  if (!change.made()) return false;
  mine = worker;
  return true;
}

/** Writes the counts of this worker to `value`, and remembers them as published. The value's length. */
function writeValue(now: u64, prefixesEnd: u32): u32 {
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
  header.endpoints = endpointCount();
  header.prefixesEnd = prefixesEnd;
  publishOwn(value + HEADER);
  publishedAt = now;
  publishedEnd = prefixesEnd;
  publishedTopology = topologyHash();
  return bytes;
}

/** After readSummary(): takes over what the other workers published last. */
export function receiveCounts(now: u64): void {
  if (endpointCount() == 0) return;
  beginOthers();
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) {
    if (worker == mine) continue;
    const known = readShared(keys.at(worker));
    if (known.length != HEADER + endpointCount() * PUBLISHED_BYTES) continue;
    const header = changetype<WorkerHeader>(known.pointer);
    if (header.topology != topologyHash() || (now > header.at && now - header.at > SILENT)) continue;
    addOthers(known.pointer + HEADER);
    // Last: it may read another value, which overwrites this one.
    receivePrefixesOf(worker, header.prefixesEnd);
  }
  endOthers(now);
}
