// What every worker looks at on every tick: one small value in shared data, so that a tick without news costs one read.
//   pilotfish.bulletin   u64 version of the stored snapshot, u64 nanoseconds when it was received, u64 how often pods were
//                        ejected, u64 how many keys workers claimed
import { bytesOf } from "../base/bytes";
import { CAS_MISMATCH, getShared, OK, resultCas, resultLength, resultPointer, setShared } from "../host/calls";

export const SNAPSHOT_VERSION: u32 = 0;
export const SNAPSHOT_RECEIVED: u32 = 8;
export const EJECTIONS: u32 = 16;
export const WORKERS: u32 = 24;
const BYTES: u32 = 32;
/** Of workers that change it in the same moment, one succeeds in each round. */
const ATTEMPTS: i32 = 128;

const KEY = bytesOf("pilotfish.bulletin");
const value: usize = memory.data(32, 8);

/** Before the first request: so that no two workers hang it up at once, each with what the other has not. */
export function hangUpBulletin(): void {
  if (readBulletin() == 0) setShared(KEY, value, BYTES, 0);
}

/** Reads all of it. Returns the compare-and-swap number that a change needs; 0: there is none, all fields are 0. */
export function readBulletin(): u32 {
  if (getShared(KEY) == OK && resultLength() == BYTES) {
    memory.copy(value, resultPointer(), BYTES);
    return resultCas();
  }
  memory.fill(value, 0, BYTES);
  return 0;
}

/** A field as it was last read. */
export function onBulletin(field: u32): u64 {
  return load<u64>(value + field);
}

/** A snapshot was stored; false when it could not be said. */
export function postSnapshot(version: u64, received: u64): bool {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const cas = readBulletin();
    store<u64>(value, version, SNAPSHOT_VERSION);
    store<u64>(value, received, SNAPSHOT_RECEIVED);
    const status = setShared(KEY, value, BYTES, cas);
    if (status != CAS_MISMATCH) return status == OK;
  }
  return false;
}

/** Adds one to EJECTIONS or WORKERS. What it was before; `limit` or more when it was not raised. */
export function raise(field: u32, limit: u64): u64 {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const cas = readBulletin();
    const before = onBulletin(field);
    if (before >= limit) break;
    store<u64>(value + field, before + 1);
    if (setShared(KEY, value, BYTES, cas) == OK) return before;
  }
  return limit;
}
