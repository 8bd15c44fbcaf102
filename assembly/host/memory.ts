// The two buffers of the VM that the host writes its results into. All streams share them, so memory does not depend on the number of
// streams or the size of bodies:
//   window  64 KiB, static: windows of bodies, header values, properties, small shared data
//   large   doubles as needed, up to MAX_LARGE: snapshots, large shared data, and bodies that are rewritten
// Invariant: the bytes that a host call returned are valid until the next host call that returns bytes.

import { SLACK_BYTES } from "../scan/block";

export const WINDOW_BYTES: u32 = 65536;
export const MAX_LARGE: u32 = 8388608;

const window: usize = memory.data(SLACK_BYTES + WINDOW_BYTES + SLACK_BYTES, 64) + SLACK_BYTES;
let large: usize = 0;
let largeBytes: u32 = 0;

export function windowPointer(): usize {
  return window;
}

/** Returns the large buffer, with room for `bytes`. The host's next results may overwrite it. Returns 0 above MAX_LARGE. */
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

/** The host calls this before it writes a result. If it returns 0, the host call fails with InvalidMemoryAccess and does not trap. */
export function proxy_on_memory_allocate(bytes: u32): usize {
  return bytes <= WINDOW_BYTES ? window : largeBuffer(bytes);
}
