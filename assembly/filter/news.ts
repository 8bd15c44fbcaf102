// How workers learn of each other's prefixes: each puts its news of the last ticks under a key of its own in shared data.
//   pilotfish.prefix.N   u64 nonce of the owner, u64 number of the newest batch, then BATCHES times: u64 number, u64 bytes,
//                        the bytes (pick/prefix.ts), at fixed places, batch b at place b % BATCHES
// N is the worker's in exchange.ts. A worker that was busy for longer than BATCHES ticks misses some: a prefix then looks
// cold for one request.
import { Bytes, bytesOf } from "../host/bytes";
import { getShared, OK, resultLength, resultPointer, setShared } from "../host/calls";
import { hearNews, NEWS_BYTES, takeNews } from "../pick/prefix";
import { Random } from "../pick/random";

const BATCHES: u64 = 3;
const HEADER: u32 = 16;
const PLACE: u32 = 16 + NEWS_BYTES;
const VALUE_BYTES: u32 = HEADER + <u32>BATCHES * PLACE;

const keys: usize = memory.data(512, 4);
/** u64 nonce, u64 newest batch heard, per worker. */
const heard: usize = memory.data(2048, 8);
let value: usize = 0;
let batch: u64 = 0;

function keyOf(worker: u32): Bytes {
  let key = load<usize>(keys + worker * 4);
  if (!key) {
    key = changetype<usize>(bytesOf(`pilotfish.prefix.${worker}`));
    store<usize>(keys + worker * 4, key);
  }
  return changetype<Bytes>(key);
}

/** Tells the news since the last tick, if there are any. */
export function tellNews(worker: u32, nonce: u64): void {
  if (!value) {
    value = heap.alloc(VALUE_BYTES);
    memory.fill(value, 0, VALUE_BYTES);
  }
  const place = value + HEADER + <usize>((batch + 1) % BATCHES) * PLACE;
  const bytes = takeNews(place + 16);
  if (bytes == 0) return;
  batch++;
  store<u64>(place, batch);
  store<u64>(place, bytes, 8);
  store<u64>(value, nonce);
  store<u64>(value, batch, 8);
  setShared(keyOf(worker), value, VALUE_BYTES, 0);
}

/** Takes over what another worker told since the last time. */
export function hearOf(worker: u32, random: Random): void {
  if (getShared(keyOf(worker)) != OK || resultLength() != VALUE_BYTES) return;
  const told = resultPointer();
  const known = heard + worker * 16;
  if (load<u64>(known) != load<u64>(told)) {
    store<u64>(known, load<u64>(told));
    store<u64>(known, 0, 8);
  }
  const newest = load<u64>(told, 8);
  const last = load<u64>(known, 8);
  if (newest == last) return;
  for (let number = max(last + 1, newest > BATCHES ? newest - BATCHES + 1 : 1); number <= newest; number++) {
    const place = told + HEADER + <usize>(number % BATCHES) * PLACE;
    const bytes = load<u64>(place, 8);
    if (load<u64>(place) == number && bytes <= <u64>NEWS_BYTES) hearNews(place + 16, <u32>bytes, random);
  }
  store<u64>(known, newest, 8);
}
