// Where the host writes what the filter asks for: two buffers for the whole VM. So memory does not depend on the number of streams
// or the size of bodies:
//   window  64 KiB, static: body windows, header values, properties, small shared data.
//   large   grows by doubling up to MAX_LARGE: snapshots, what workers share, and bodies that are rewritten.
// Invariant: what a host call returned is valid until the next host call that returns bytes.

import { SLACK_BYTES } from "../scan/block";

export const WINDOW_BYTES: u32 = 65536;
export const MAX_LARGE: u32 = 8388608;

const window: usize = memory.data(SLACK_BYTES + WINDOW_BYTES + SLACK_BYTES, 64) + SLACK_BYTES;
let large: usize = 0;
let largeBytes: u32 = 0;

export function windowPointer(): usize {
  return window;
}

/** The large buffer, with room for `bytes`; the host writes there as well. 0: that is more than MAX_LARGE. */
export function largeBuffer(bytes: u32): usize {
  if (bytes > MAX_LARGE) return 0;
  if (bytes > largeBytes) {
    if (large) heap.free(large);
    let capacity: u32 = 131072;
    while (capacity < bytes) capacity <<= 1;
    large = heap.alloc(capacity);
    largeBytes = capacity;
  }
  return large;
}

/** Exported to the host. 0 makes the host call fail with InvalidMemoryAccess instead of trapping the VM. */
export function proxy_on_memory_allocate(bytes: u32): usize {
  return bytes <= WINDOW_BYTES ? window : largeBuffer(bytes);
}
