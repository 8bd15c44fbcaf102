// The snapshot that this worker picks from: a copy of its own, replaced whole by each newer snapshot.
import { VALID } from "../../protocol/rules";
import { groupByPlace } from "./group-by-place";
import { verify } from "./verify";
import { newView, SnapshotView } from "./view";

const view: SnapshotView = newView();
const candidate: SnapshotView = newView();
/** First size of the buffer; later sizes are twice the size before. */
const MIN_BYTES: u32 = 16384;
let buffer: usize = 0;
let capacity: u32 = 0;
let present: bool = false;
let received: u64 = 0;

/** Copies `bytes` at `data`, which the filter received `at` (ns). False if they are no valid snapshot. */
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
  // Endpoints that are not sorted by place cannot be picked by place: the view has no places then.
  if (!groupByPlace(view)) view.placeCount = 0;
  present = true;
  received = at;
  return true;
}

export function hasSnapshot(): bool {
  return present;
}
/** Valid while hasSnapshot(). */
export function current(): SnapshotView {
  return view;
}
/** Milliseconds since the filter received it; 0 for a clock that stepped back. */
export function ageMilliseconds(now: u64): u64 {
  return now > received ? (now - received) / 1000000 : 0;
}
/** Nanoseconds since the Unix epoch. */
export function receivedAt(): u64 {
  return received;
}
