// The snapshot that this worker picks from. It is the worker's own copy. Each newer snapshot replaces it whole.
import { VALID } from "../../protocol/rules";
import { groupByPlace } from "./group-by-place";
import { verify } from "./verify";
import { newView, SnapshotView } from "./view";

const view: SnapshotView = newView();
const candidate: SnapshotView = newView();
/** First size of the buffer. Larger sizes are this size times a power of two. */
const MIN_BYTES: u32 = 16384;
let buffer: usize = 0;
let capacity: u32 = 0;
let present: bool = false;
let received: u64 = 0;

/** Copies a snapshot of `bytes` bytes at `data`, which the filter received at `at`, ns. False if the snapshot is not valid. */
export function adopt(data: usize, bytes: u32, at: u64): bool {
  if (verify(candidate, data, bytes) != VALID) return false;
  if (bytes > capacity) {
    if (buffer) heap.free(buffer);
    capacity = MIN_BYTES;
    while (capacity < bytes) capacity <<= 1;
    buffer = heap.alloc(capacity);
  }
  memory.copy(buffer, data, bytes);
  verify(view, buffer, bytes);
  // A pick by place needs endpoints that are sorted by place. Otherwise the view gets no places.
  if (!groupByPlace(view)) view.placeCount = 0;
  present = true;
  received = at;
  return true;
}

export function hasSnapshot(): bool {
  return present;
}
/** The worker's snapshot. Valid while hasSnapshot() is true. */
export function current(): SnapshotView {
  return view;
}
/** Milliseconds since the filter received the snapshot; 0 if the clock stepped back. */
export function ageMilliseconds(now: u64): u64 {
  return now > received ? (now - received) / 1000000 : 0;
}
/** When the filter received the snapshot, in nanoseconds since the Unix epoch. */
export function receivedAt(): u64 {
  return received;
}
