// Byte strings in unmanaged memory, which the ABI takes. They are made at start or configuration, never for a request.

/** `length` bytes at `pointer`, never freed. */
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

/** For hot loops: takes steps of eight bytes at any alignment. memory.compare() does so only if both are aligned alike. */
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

/** Order of unsigned bytes; a text comes before longer texts that begin with it. Below 0, 0 or above 0. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const order = memory.compare(a, b, min(aLength, bLength));
  return order != 0 ? order : <i32>aLength - <i32>bLength;
}

export function startsWith(text: usize, length: u32, prefix: usize, prefixLength: u32): bool {
  return length >= prefixLength && memory.compare(text, prefix, prefixLength) == 0;
}

/** Equal or not, in time that depends on the lengths only. */
export function equalConstantTime(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  let difference: u32 = aLength ^ bLength;
  if (bLength == 0) return false;
  for (let i: u32 = 0; i < aLength; i++) difference |= load<u8>(a + i) ^ load<u8>(b + (i % bLength));
  return difference == 0;
}

/** 0 to 15 for the letter of a hex digit in either case; 16 for any other byte. */
export function hexDigit(c: u32): u32 {
  if (c - 0x30 < 10) return c - 0x30;
  const letter = (c | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}
