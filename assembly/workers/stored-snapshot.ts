// The snapshot that the workers of one Envoy share.
//   pilotfish.snapshot   the stored snapshot, as pushed
// The summary has its version and when it came. Under compare-and-swap the stored snapshot only gets newer.
import { HEADER_COMPLETE, HEADER_FLAGS, HEADER_SOURCE, HEADER_VERSION } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { adopt } from "../snapshot/current";
import { beginChange, readShared } from "./shared-data";
import { publishSnapshot, readSummary, summary } from "./summary";

const KEY = bytesOf("pilotfish.snapshot");
/** A lease lasts this long, ns, and half of the stale limit at most. */
const MAX_LEASE: u64 = 1000000000;

export const STORED: u32 = 0;
/** The version is not above the stored one. */
export const OUTDATED: u32 = 1;
/** The host refused it. */
const NOT_STORED: u32 = 2;
/** Another sidecar's snapshot has the lease. */
export const LEASED: u32 = 3;

@unmanaged
class StoreResult {
  /** STORED, OUTDATED, NOT_STORED or LEASED. */
  outcome: u32 = 0;
  /** OUTDATED: version of the stored snapshot. */
  storedVersion: u64 = 0;
  /** LEASED: ns until the lease ends. */
  leaseLeft: u64 = 0;
}

const result: usize = memory.data(offsetof<StoreResult>(), 8);

let seenVersion: u64 = 0;
let seenReceived: u64 = 0;

/**
 * Stores a verified snapshot for all workers; it lies in the large buffer or the window. `now` in ns. `staleNanoseconds`: a
 * stored snapshot older than this gives way to any version, so that a clock that was wrong once locks nobody out for long.
 * The record is valid until the next call.
 */
export function storeSnapshot(data: usize, bytes: u32, now: u64, staleNanoseconds: u64): StoreResult {
  const stored = changetype<StoreResult>(result);
  stored.outcome = NOT_STORED;
  const version = load<u64>(data, HEADER_VERSION);
  const lease = min(MAX_LEASE, staleNanoseconds / 2);
  const copy = heap.alloc(bytes);
  memory.copy(copy, data, bytes);
  let received = readSummary().snapshotReceived;
  const change = beginChange(KEY);
  while (change.next()) {
    if (change.length > 0) {
      if (now - received < lease && isLeased(copy, change.pointer)) {
        stored.outcome = LEASED;
        stored.leaseLeft = lease - (now - received);
        break;
      }
      const present = load<u64>(change.pointer, HEADER_VERSION);
      if (version <= present && now - received < staleNanoseconds) {
        stored.outcome = OUTDATED;
        stored.storedVersion = present;
        break;
      }
    }
    change.write(copy, bytes);
    if (!change.made()) received = readSummary().snapshotReceived;
  }
  heap.free(copy);
  if (change.made() && publishSnapshot(version, now)) stored.outcome = STORED;
  return stored;
}

/**
 * Two sidecars whose views differ would take turns, twenty times a second. So the first one keeps the others out for as long as it
 * pushes. But a sidecar that knows all that it should (HEADER_COMPLETE) is not kept out by one that does not.
 */
function isLeased(pushed: usize, stored: usize): bool {
  if (load<u64>(pushed, HEADER_SOURCE) == load<u64>(stored, HEADER_SOURCE)) return false;
  const completes = (load<u32>(pushed, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
  return !completes || (load<u32>(stored, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
}

/**
 * After readSummary(): makes a snapshot that this worker or another one stored since the last call this VM's current one.
 * True when there was one.
 */
export function receiveSnapshot(): bool {
  const version = summary().snapshotVersion;
  const received = summary().snapshotReceived;
  if (version == seenVersion && received == seenReceived) return false;
  const value = readShared(KEY);
  if (value.length == 0) return false;
  seenVersion = version;
  seenReceived = received;
  return adopt(value.pointer, value.length, received);
}
