// How workers learn of each other's prefixes: each puts its news of the last moments under a key of its own in shared data.
//   pilotfish.prefix.N   u64 nonce of the owner, u64 where the records begin, u64 where they end, the records (ring.ts)
// N is the worker's in counts.ts, whose key tells the end too, so that a key without news is not read. News stay for 0.4 to
// 0.8 s, since a worker that rests looks up every 0.2 s only, 64 KiB of them at most. A worker that missed some takes a prefix for
// cold, for one request.
// All that this worker sent and heard is kept once more, for reports to other Envoys (filter/reserved/report.ts).
import { Bytes, bytesOf } from "../base/bytes";
import { receiveUpdate, takeUpdate, UPDATE_BYTES, updateWaiting } from "../endpoints/cache/prefix-index";
import { getShared, OK, resultLength, resultPointer, setShared } from "../host/calls";
import { newRing, Ring } from "./ring";

const HEADER: u32 = 24;
const OWN_BYTES: u32 = 65536;
const REPORT_BYTES: u32 = 131072;
/** Nanoseconds; what is older than one of these and younger than two is given up. */
const EPOCH: u64 = 400000000;

const keys: usize = memory.data(512, 4);
/** u64 nonce, u64 where hearing stopped, per worker. */
const heard: usize = memory.data(2048, 8);
/** Room for the header before the ring's data: the value of the key lies in one piece. */
let value: usize = 0;
let fresh: usize = 0;
let own: usize = 0;
let all: usize = 0;
let epochAt: u64 = 0;
let epochStart: u64 = 0;

function keyOf(worker: u32): Bytes {
  let key = load<usize>(keys + worker * 4);
  if (!key) {
    key = changetype<usize>(bytesOf(`pilotfish.prefix.${worker}`));
    store<usize>(keys + worker * 4, key);
  }
  return changetype<Bytes>(key);
}

/** The first news take the memory. */
function open(): void {
  value = heap.alloc(HEADER + OWN_BYTES);
  fresh = heap.alloc(UPDATE_BYTES);
  const ring = newRing(0);
  ring.data = value + HEADER;
  ring.capacity = OWN_BYTES;
  own = changetype<usize>(ring);
}

/** Tells what is new since the last time, if anything is. Returns where this worker's news end. */
export function tellNews(worker: u32, nonce: u64, now: u64): u64 {
  if (updateWaiting() == 0) return own ? changetype<Ring>(own).end : 0;
  if (!own) open();
  const ring = changetype<Ring>(own);
  const bytes = takeUpdate(fresh);
  if (now - epochAt > EPOCH) {
    ring.dropTo(<u32>(ring.end - max(epochStart, ring.start)));
    epochStart = ring.end;
    epochAt = now;
  }
  ring.append(fresh, bytes);
  keep(fresh, bytes);
  store<u64>(value, nonce);
  store<u64>(value, ring.start, 8);
  store<u64>(value, ring.end, 16);
  setShared(keyOf(worker), value, HEADER + ring.size, 0);
  return ring.end;
}

/** Takes over what another worker told since the last time; `end`: the low half of where its news end. */
export function hearOf(worker: u32, end: u32): void {
  const known = heard + worker * 16;
  if (<u32>load<u64>(known, 8) == end) return;
  if (getShared(keyOf(worker)) != OK || resultLength() < HEADER) return;
  const told = resultPointer();
  const first = load<u64>(told, 8);
  const last = load<u64>(told, 16);
  if (last < first || last - first != resultLength() - HEADER) return;
  if (load<u64>(known) != load<u64>(told)) {
    store<u64>(known, load<u64>(told));
    store<u64>(known, 0, 8);
  }
  const from = load<u64>(known, 8);
  const begin = from > first && from <= last ? from : first;
  const records = told + HEADER + <usize>(begin - first);
  receiveUpdate(records, <u32>(last - begin));
  keep(records, <u32>(last - begin));
  store<u64>(known, last, 8);
}

function keep(records: usize, bytes: u32): void {
  if (!all) all = changetype<usize>(newRing(REPORT_BYTES));
  if (bytes > 0) changetype<Ring>(all).append(records, bytes);
}

/** Everything that this worker sent and heard lately; null before the first news. */
export function allNews(): Ring | null {
  return all ? changetype<Ring>(all) : null;
}
