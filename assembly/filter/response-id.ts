// The hash of a response's id (Responses API). Ids come in pieces with the chunks of an answer, so each byte is a step of
// FNV-1a:  h = (h ^ byte) * 0x100000001b3, from 0xcbf29ce484222325 on; the result is mixed.
import { mix } from "../base/hash";

const MAX_ID_BYTES: u32 = 128;
const FIRST: u64 = 0xcbf29ce484222325;

/** Hash of a whole id; 0 for an id that is empty or too long. */
export function idHash(id: usize, length: u32): u64 {
  return length == 0 || length > MAX_ID_BYTES ? 0 : endId(stepId(FIRST, id, length));
}

/** Goes on with the `length` bytes at `text`. */
export function stepId(hash: u64, text: usize, length: u32): u64 {
  let h = hash;
  for (let i: u32 = 0; i < length; i++) h = (h ^ load<u8>(text + i)) * 0x100000001b3;
  return h;
}

/** The hash of an id that begins with the `length` bytes at `text`, so far. */
export function beginId(text: usize, length: u32): u64 {
  return stepId(FIRST, text, length);
}

/** The id is whole. */
export function endId(hash: u64): u64 {
  return mix(hash);
}
