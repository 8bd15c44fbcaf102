// Byte strings in unmanaged memory, which the ABI takes. They are made at start or configuration, never for a request.

/** A text of `length` bytes at `pointer`. The bytes are never freed. */
@unmanaged
export class Bytes {
  pointer: usize = 0;
  length: u32 = 0;
}

export function bytesOf(text: string): Bytes {
  const encoded = String.UTF8.encode(text);
  const length = encoded.byteLength;
  const pointer = heap.alloc(length + 1);
  memory.copy(pointer, changetype<usize>(encoded), length);
  const bytes = changetype<Bytes>(heap.alloc(offsetof<Bytes>()));
  bytes.pointer = pointer;
  bytes.length = length;
  return bytes;
}

export function bytesEqual(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}

/**
 * Whether two texts of one length are equal. Made for hot loops: the loop takes steps of eight bytes at any alignment, where
 * memory.compare() needs two pointers of the same alignment.
 */
export function sameBytes(a: usize, b: usize, length: usize): bool {
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false;
  }
  for (; i < length; i++) {
    if (load<u8>(a + i) != load<u8>(b + i)) return false;
  }
  return true;
}

/** Compares two texts as unsigned bytes and returns a number below 0, 0, or above 0. A text precedes its own extensions. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const order = memory.compare(a, b, min(aLength, bLength));
  return order != 0 ? order : <i32>aLength - <i32>bLength;
}

export function startsWith(text: usize, length: u32, prefix: usize, prefixLength: u32): bool {
  return length >= prefixLength && memory.compare(text, prefix, prefixLength) == 0;
}

/** Whether two texts are equal. The time depends on the lengths only, so that it reveals nothing about a secret. */
export function equalConstantTime(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  let difference: u32 = aLength ^ bLength;
  if (bLength == 0) return false;
  for (let i: u32 = 0; i < aLength; i++) difference |= load<u8>(a + i) ^ load<u8>(b + (i % bLength));
  return difference == 0;
}

/** Value of a hex digit in either case, 0 to 15; 16 if the byte is no hex digit. */
export function hexDigit(c: u32): u32 {
  if (c - 0x30 < 10) return c - 0x30;
  const letter = (c | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}
