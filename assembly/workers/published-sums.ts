// How workers add up what they measure at the requests of each base model (endpoints/model-sums.ts).
//   pilotfish.sums   sums records (protocol/README.md), at most MAX_SUMS
// Each worker adds to the one value what it has measured since its last addition. So the sums outlive their workers, and never fall
// while this Envoy runs. Two exceptions: two workers that write the first value at once lose one of their additions (shared-data.ts);
// and a worker that dies loses what it measured in the last EVERY. Bound: sums are at most EVERY and one tick old, 450 ms on an idle
// worker.
import { MAX_SUMS, SUMS_BYTES } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { addSumsTo, clearSums, sumsChanged } from "../endpoints/model-sums";
import { beginChange, readShared } from "./shared-data";

const KEY = bytesOf("pilotfish.sums");
/** Shortest time between two additions of a worker, ns. */
const EVERY: u64 = 250000000;

const value: usize = memory.data(MAX_SUMS * SUMS_BYTES, 8);
const allSums: usize = memory.data(offsetof<AllSums>(), 8);
let publishedAt: u64 = 0;

/** Call on the tick at `now`, ns. Adds what this worker has measured, if EVERY has passed. */
export function publishSums(now: u64): void {
  if (sumsChanged() && (now < publishedAt || now - publishedAt >= EVERY)) addOwn(now);
}

/** The sums records of all workers. */
@unmanaged
export class AllSums {
  pointer: usize = 0;
  records: u32 = 0;
}

/** Reads the sums of all workers at `now`, ns. The record and the sums are valid until the next call. */
export function readSums(now: u64): AllSums {
  if (sumsChanged()) addOwn(now);
  const known = readShared(KEY);
  const all = changetype<AllSums>(allSums);
  all.records = copyRecords(value, known.pointer, known.length);
  all.pointer = value;
  return all;
}

function addOwn(now: u64): void {
  publishedAt = now;
  const change = beginChange(KEY);
  while (change.next()) {
    const records = addSumsTo(value, copyRecords(value, change.pointer, change.length));
    change.write(value, records * SUMS_BYTES);
  }
  if (change.made()) clearSums();
}

/** Copies whole records. Returns their number; 0 for a value of another form. */
function copyRecords(target: usize, from: usize, length: u32): u32 {
  if (length % SUMS_BYTES != 0 || length > MAX_SUMS * SUMS_BYTES) return 0;
  memory.copy(target, from, length);
  return length / SUMS_BYTES;
}
