// The summary: one small value that every worker reads on every tick. A tick without anything new costs only this read.
//   pilotfish.summary.2   Summary
// When the record changes, its key gets another number: while Envoy replaces a module, VMs of two releases share their data.

import { bytesOf } from "../base/bytes";
import { MAX_WORKERS } from "../endpoints/shared-record";
import { beginChange, Change, readShared, writeShared } from "./shared-data";

@unmanaged
class Summary {
  /** Version of the stored snapshot. */
  snapshotVersion: u64 = 0;
  /** When the snapshot was received, ns since the Unix epoch. */
  snapshotReceived: u64 = 0;
  /** Number of ejections that workers have published (ejections.ts). */
  ejections: u64 = 0;
  /** Number of keys that workers have claimed (counts.ts). */
  workers: u64 = 0;
  /** Number of times that workers have added to the speeds of endpoints (shared-speed.ts). */
  speeds: u64 = 0;
  /** Number of traffic pushes (stored-traffic.ts), and when the last of them was received, ns. */
  trafficPushes: u64 = 0;
  trafficReceived: u64 = 0;
  /** Position where the prefixes of traffic pushes end. */
  trafficPrefixes: u64 = 0;
}

const KEY = bytesOf("pilotfish.summary.2");
const BYTES: u32 = offsetof<Summary>();
const record: usize = memory.data(BYTES, 8);

/** Returns the summary as this worker last read it. */
export function summary(): Summary {
  return changetype<Summary>(record);
}

/** Reads the summary. All fields are 0 when no summary exists. */
export function readSummary(): Summary {
  const value = readShared(KEY);
  return take(value.pointer, value.length);
}

/**
 * Creates the summary at the configuration, before the first request. The host writes a key's first value without a condition. So
 * two workers that changed a missing summary at once could lose one of the changes.
 */
export function createSummary(): void {
  if (readShared(KEY).length == BYTES) return;
  take(0, 0);
  writeShared(KEY, record, BYTES);
}

/** Publishes that a snapshot was stored. Returns false when this failed, so that the other workers will not receive the snapshot. */
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

/** Publishes that a traffic push was stored. Returns false when this failed. */
export function publishTraffic(received: u64, prefixes: u64): bool {
  const change = beginChange(KEY);
  while (change.next()) {
    const next = present(change);
    next.trafficPushes++;
    next.trafficReceived = received;
    next.trafficPrefixes = max(prefixes, next.trafficPrefixes);
    change.write(record, BYTES);
  }
  return change.made();
}

/** Counts an ejection. */
export function countEjection(): void {
  const change = beginChange(KEY);
  while (change.next()) {
    present(change).ejections++;
    change.write(record, BYTES);
  }
}

/** Counts an addition to the speeds of endpoints. */
export function countSpeeds(): void {
  const change = beginChange(KEY);
  while (change.next()) {
    present(change).speeds++;
    change.write(record, BYTES);
  }
}

/** Claims the next unused key and returns the key's number; MAX_WORKERS: no key is left, or the change failed. */
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

/** Returns the value that a change has read, as a summary. */
function present(change: Change): Summary {
  return take(change.pointer, change.length);
}

function take(pointer: usize, length: u32): Summary {
  if (length == BYTES) memory.copy(record, pointer, BYTES);
  else memory.fill(record, 0, BYTES);
  return changetype<Summary>(record);
}
