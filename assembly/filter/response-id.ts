// The hash of a response's id (Responses API). An id comes in pieces when chunks of the response cut it. So the hash is FNV-1a,
// which takes one byte at a time:  h = 0xcbf29ce484222325, then h = (h ^ byte) * 0x100000001b3 for each byte, then mix(h)
import { mix } from "../base/hash";

const MAX_ID_BYTES: u32 = 128;
const FIRST: u64 = 0xcbf29ce484222325;

/** Returns the hash of a whole id; 0 for an id that is empty or too long. */
export function idHash(id: usize, length: u32): u64 {
  return length == 0 || length > MAX_ID_BYTES ? 0 : endId(stepId(FIRST, id, length));
}

/** Adds the `length` bytes at `text` to an unfinished hash. */
export function stepId(hash: u64, text: usize, length: u32): u64 {
  let h = hash;
  for (let i: u32 = 0; i < length; i++) h = (h ^ load<u8>(text + i)) * 0x100000001b3;
  return h;
}

/** Returns the unfinished hash of an id that begins with the `length` bytes at `text`. */
export function beginId(text: usize, length: u32): u64 {
  return stepId(FIRST, text, length);
}

/** Finishes the hash, when the id is whole. */
export function endId(hash: u64): u64 {
  return mix(hash);
}
