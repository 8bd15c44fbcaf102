// How workers learn of each other's requests: each tells its counts under a key of its own in shared data, on the tick
// and when it goes to rest (ticker.ts), only when they changed, and reads the keys of the others on the tick. The bulletin says
// how many keys were ever claimed.
//   pilotfish.worker.N    u64 nonce of its owner, u64 topology, u64 nanoseconds when told, u32 count, u32 end of its news (prefixes.ts),
//                         then endpoints/in-flight.ts PUBLISHED_BYTES each
// A worker claims a key when it first has something to tell: one that nobody refreshed for ABANDONED, else the next
// new one. Somebody else may have claimed it when both were new, or when this worker stood still for so long that its key
// seemed abandoned: then it looks whose nonce stands there, and the loser claims again. A worker that dies takes its counts
// with it: its key is not believed after SILENT.
// Bound: what a worker sees of the others is at most one tick of each side old, 40 ms. For a report (filter/reserved/report.ts) it hears them
// anew, so that one is a tick old at most.

import { Bytes, bytesOf } from "../base/bytes";
import { updateWaiting } from "../endpoints/cache/prefix-index";
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
import { getShared, OK, randomSeed, resultCas, resultLength, resultPointer, setShared } from "../host/calls";
import { onBulletin, raise, WORKERS } from "./bulletin";
import { hearOf, tellNews } from "./prefixes";

const MOST_WORKERS: u32 = 128;
const HEADER: u32 = 32;
const SILENT: u64 = 1500000000;
const ABANDONED: u64 = 10000000000;
/** A worker that has a key refreshes it at least this often, so that the others know that it lives. */
const REFRESH: u64 = 500000000;
const NO_KEY: u32 = 0xffffffff;
/** For so long a worker looks whether a key that it claimed is its own. */
const DOUBTED: u64 = 1000000000;

const keys: usize = memory.data(512, 4);
let mine: u32 = NO_KEY;
let nonce: u64 = 0;
let claimedAt: u64 = 0;
let toldAt: u64 = 0;
let toldTopology: u64 = 0;
let toldNews: u32 = 0;
let newsEnd: u32 = 0;
let vector: usize = 0;
let vectorBytes: u32 = 0;

/** On the tick, after the bulletin was read. */
export function exchange(now: u64): void {
  tellOthers(now);
  hear(now);
}

/** Tells the others what they do not know yet, of requests and of prefixes. */
export function tellOthers(now: u64): void {
  if (endpointCount() == 0) return;
  if (mine == NO_KEY && (ownInFlight() > 0 || updateWaiting() > 0)) claim(now);
  if (mine == NO_KEY || !isOwn(now)) return;
  newsEnd = <u32>tellNews(mine, nonce, now);
  const due = now - toldAt > REFRESH;
  if (due || toldTopology != topologyHash() || toldNews != newsEnd || ownChanged()) write(mine, now, 0);
}

/** Whether `mine` is this worker's key still. Costs nothing where nobody can have claimed it. */
function isOwn(now: u64): bool {
  if (now - claimedAt > DOUBTED && now - toldAt < ABANDONED / 2) return true;
  if (getShared(keyOf(mine)) == OK && resultLength() >= HEADER && load<u64>(resultPointer()) == nonce) return true;
  mine = NO_KEY;
  if (ownInFlight() > 0) claim(now);
  return false;
}

function keyOf(worker: u32): Bytes {
  let key = load<usize>(keys + worker * 4);
  if (!key) {
    key = changetype<usize>(bytesOf(`pilotfish.worker.${worker}`));
    store<usize>(keys + worker * 4, key);
  }
  return changetype<Bytes>(key);
}

function claimed(): u32 {
  return <u32>min<u64>(onBulletin(WORKERS), MOST_WORKERS);
}

function claim(now: u64): void {
  if (nonce == 0) nonce = randomSeed() | 1;
  claimedAt = now;
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) {
    if (getShared(keyOf(worker)) != OK || resultLength() < HEADER) continue;
    const told = load<u64>(resultPointer(), 16);
    if (now > told && now - told > ABANDONED && write(worker, now, resultCas())) return;
  }
  const next = <u32>raise(WORKERS, MOST_WORKERS);
  if (next < MOST_WORKERS) write(next, now, 0);
}

/** Writes this worker's counts under a key, which is its own if that worked. */
function write(worker: u32, now: u64, cas: u32): bool {
  const bytes = HEADER + endpointCount() * PUBLISHED_BYTES;
  if (bytes > vectorBytes) {
    if (vector) heap.free(vector);
    vectorBytes = bytes;
    vector = heap.alloc(bytes);
  }
  store<u64>(vector, nonce);
  store<u64>(vector, topologyHash(), 8);
  store<u64>(vector, now, 16);
  store<u32>(vector, endpointCount(), 24);
  store<u32>(vector, newsEnd, 28);
  publishOwn(vector + HEADER);
  toldAt = now;
  toldNews = newsEnd;
  toldTopology = topologyHash();
  const stored = setShared(keyOf(worker), vector, bytes, cas) == OK;
  mine = stored ? worker : NO_KEY;
  return stored;
}

/** After the bulletin was read: takes over what the other workers last told. */
export function hear(now: u64): void {
  if (endpointCount() == 0) return;
  beginOthers();
  const used = claimed();
  for (let worker: u32 = 0; worker < used; worker++) {
    if (worker == mine || getShared(keyOf(worker)) != OK) continue;
    const told = resultPointer();
    if (resultLength() != HEADER + endpointCount() * PUBLISHED_BYTES || load<u64>(told, 8) != topologyHash()) continue;
    const at = load<u64>(told, 16);
    if (now > at && now - at > SILENT) continue;
    addOthers(told + HEADER);
    // The result of this call takes the place of the one above.
    hearOf(worker, load<u32>(told, 28));
  }
  endOthers(now);
}
