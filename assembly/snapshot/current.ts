// The snapshot that this worker picks from: its own copy, replaced whole.
import { groupByPlace } from "./group-by-place";
import { verify } from "./verify";
import { newView, SnapshotView } from "./view";

const view: SnapshotView = newView();
const candidate: SnapshotView = newView();
let buffer: usize = 0;
let capacity: u32 = 0;
let present: bool = false;
let received: u64 = 0;

/** Takes over `bytes` at `data` (they are copied) that the filter received `at`, ns. False: not a snapshot. */
export function adopt(data: usize, bytes: u32, at: u64): bool {
  if (verify(candidate, data, bytes) != 0) return false;
  if (bytes > capacity) {
    if (buffer) heap.free(buffer);
    capacity = 16384;
    while (capacity < bytes) capacity <<= 1;
    buffer = heap.alloc(capacity);
  }
  memory.copy(buffer, data, bytes);
  verify(view, buffer, bytes);
  // Without order there are no places: everything is picked from as if there were none.
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
