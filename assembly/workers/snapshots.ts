// The snapshot that the workers of one Envoy share, through proxy-wasm shared data (one map per vm_id, behind one mutex):
//   pilotfish.snapshot   the last stored snapshot, as pushed; replaced under compare-and-swap, so it only gets newer
// Its version and when it came stand on the bulletin.
import { HEADER_COMPLETE, HEADER_FLAGS, HEADER_SOURCE, HEADER_VERSION } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { CAS_MISMATCH, getShared, OK, resultCas, resultLength, resultPointer, setShared } from "../host/calls";
import { adopt } from "../snapshot/current";
import { onBulletin, postSnapshot, readBulletin, SNAPSHOT_RECEIVED, SNAPSHOT_VERSION } from "./bulletin";

const SNAPSHOT = bytesOf("pilotfish.snapshot");
let seenVersion: u64 = 0;
let seenReceived: u64 = 0;

export const STORED: u32 = 0;
export const OUTDATED: u32 = 1;
export const NOT_STORED: u32 = 2;
export const HELD: u32 = 3;
/** Version that a push was older than; set by storeSnapshot() when it returns OUTDATED. */
export let storedVersion: u64 = 0;
/** Nanoseconds until the stored snapshot gives way; set by storeSnapshot() when it returns HELD. */
export let heldFor: u64 = 0;
/** A producer's snapshot holds off those of others for this long, ns, and for half of the stale limit at most. */
const MOST_HOLD: u64 = 1000000000;

/**
 * Two producers whose views differ would take turns, twenty times a second. So the one that was first keeps the others off
 * for as long as it pushes; but who knows all that it should (HEADER_COMPLETE) is not kept off by one that does not.
 */
function isHeld(pushed: usize, stored: usize): bool {
  if (load<u64>(pushed, HEADER_SOURCE) == load<u64>(stored, HEADER_SOURCE)) return false;
  const completes = (load<u32>(pushed, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
  return !completes || (load<u32>(stored, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
}

/**
 * Stores a verified snapshot that lies in the large buffer or the window for all workers. `staleNanoseconds`: a stored
 * snapshot older than this gives way to any version, so that a clock that was wrong once locks nobody out for long.
 */
export function storeSnapshot(data: usize, bytes: u32, now: u64, staleNanoseconds: u64): u32 {
  const version = load<u64>(data, HEADER_VERSION);
  const copy = heap.alloc(bytes);
  memory.copy(copy, data, bytes);
  let result = NOT_STORED;
  for (let attempt = 0; attempt < 8; attempt++) {
    readBulletin();
    const received = onBulletin(SNAPSHOT_RECEIVED);
    let cas: u32 = 0;
    if (getShared(SNAPSHOT) == OK) {
      cas = resultCas();
      const stored = load<u64>(resultPointer(), HEADER_VERSION);
      const hold = min(MOST_HOLD, staleNanoseconds / 2);
      if (now - received < hold && isHeld(copy, resultPointer())) {
        heldFor = hold - (now - received);
        result = HELD;
        break;
      }
      if (version <= stored && now - received < staleNanoseconds) {
        storedVersion = stored;
        result = OUTDATED;
        break;
      }
    }
    const status = setShared(SNAPSHOT, copy, bytes, cas);
    if (status == CAS_MISMATCH) continue;
    if (status != OK) break;
    if (postSnapshot(version, now)) result = STORED;
    break;
  }
  heap.free(copy);
  return result;
}

/**
 * After readBulletin(): makes a snapshot that another worker, or this one, stored since the last call this VM's current one.
 * True when there was one.
 */
export function receiveSnapshot(): bool {
  const version = onBulletin(SNAPSHOT_VERSION);
  const received = onBulletin(SNAPSHOT_RECEIVED);
  if (version == seenVersion && received == seenReceived) return false;
  if (getShared(SNAPSHOT) != OK) return false;
  seenVersion = version;
  seenReceived = received;
  return adopt(resultPointer(), resultLength(), received);
}
