// The snapshot that the workers of one Envoy share.
//   pilotfish.snapshot   the stored snapshot, byte for byte as a sidecar pushed it
// The summary has the snapshot's version and the time when it was received. Compare-and-swap ensures that a newer snapshot replaces
// an older one, unless the stored snapshot is stale.
import { HEADER_COMPLETE, HEADER_FLAGS, HEADER_SOURCE, HEADER_VERSION } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { adopt } from "../snapshot/current";
import { beginChange, readShared } from "./shared-data";
import { publishSnapshot, readSummary, summary } from "./summary";

const KEY = bytesOf("pilotfish.snapshot");
/** A lease lasts this long, ns, but at most half of `snapshot.staleAfter`. */
const MAX_LEASE: u64 = 1000000000;

export const STORED: u32 = 0;
/** The pushed version is not above the stored version. */
export const OUTDATED: u32 = 1;
/** The host refused the value. */
const NOT_STORED: u32 = 2;
/** Another sidecar's snapshot has a lease, which keeps the pushed snapshot out. */
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

/** Version and time of receipt of the snapshot that receiveSnapshot() last made current. */
let seenVersion: u64 = 0;
let seenReceived: u64 = 0;

/**
 * Stores a verified snapshot for all workers. `data` may be in the large buffer or in the window. `now` is in ns. A stored snapshot
 * older than `staleNanoseconds` gives way to any version: otherwise one sidecar with a wrong clock could keep all others out. The
 * record is valid until the next call.
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
 * Returns whether the lease of the stored snapshot keeps the pushed snapshot out. Without a lease two sidecars with different views
 * would replace each other's snapshot twenty times a second. So the first sidecar keeps the others out for as long as it pushes. But
 * an incomplete snapshot never keeps out a complete one (HEADER_COMPLETE).
 */
function isLeased(pushed: usize, stored: usize): bool {
  if (load<u64>(pushed, HEADER_SOURCE) == load<u64>(stored, HEADER_SOURCE)) return false;
  const completes = (load<u32>(pushed, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
  return !completes || (load<u32>(stored, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
}

/**
 * Call after readSummary(). If any worker has stored a snapshot since the last call, makes it this VM's current snapshot and returns
 * true.
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
