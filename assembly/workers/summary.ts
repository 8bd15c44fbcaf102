// What every worker reads on every tick: one small value, so that a tick without anything new costs one read.
//   pilotfish.summary   Summary
import { bytesOf } from "../base/bytes";
import { beginChange, Change, MAX_WORKERS, readShared, writeShared } from "./shared-data";

@unmanaged
class Summary {
  /** Version of the stored snapshot. */
  snapshotVersion: u64 = 0;
  /** When the snapshot was received, ns since the Unix epoch. */
  snapshotReceived: u64 = 0;
  /** How often endpoints were ejected. */
  ejections: u64 = 0;
  /** How many keys workers claimed (counts.ts). */
  workers: u64 = 0;
}

const KEY = bytesOf("pilotfish.summary");
const BYTES: u32 = offsetof<Summary>();
const record: usize = memory.data(BYTES, 8);

/** The summary as this worker read it last. */
export function summary(): Summary {
  return changetype<Summary>(record);
}

/** Reads the summary; all fields are 0 where there is none. */
export function readSummary(): Summary {
  const value = readShared(KEY);
  return take(value.pointer, value.length);
}

/** Before the first request: no two workers may write the first summary at once, each with what the other's lacks. */
export function createSummary(): void {
  if (readShared(KEY).length == BYTES) return;
  take(0, 0);
  writeShared(KEY, record, BYTES);
}

/** A snapshot was stored. False: the others cannot know. */
export function publishSnapshot(version: u64, received: u64): bool {
  const change = beginChange(KEY);
  while (change.next()) {
    const next = present(change);
    next.snapshotVersion = version;
    next.snapshotReceived = received;
    change.write(record, BYTES);
  }
  return change.made();
}

/** An endpoint was ejected. */
export function countEjection(): void {
  const change = beginChange(KEY);
  while (change.next()) {
    present(change).ejections++;
    change.write(record, BYTES);
  }
}

/** Number of a key that no worker had; MAX_WORKERS: there is none. */
export function claimNumber(): u32 {
  let number: u64 = MAX_WORKERS;
  const change = beginChange(KEY);
  while (change.next()) {
    const next = present(change);
    number = next.workers;
    if (number >= MAX_WORKERS) break;
    next.workers++;
    change.write(record, BYTES);
  }
  return change.made() ? <u32>number : MAX_WORKERS;
}

function present(change: Change): Summary {
  return take(change.pointer, change.length);
}

function take(pointer: usize, length: u32): Summary {
  if (length == BYTES) memory.copy(record, pointer, BYTES);
  else memory.fill(record, 0, BYTES);
  return changetype<Summary>(record);
}
