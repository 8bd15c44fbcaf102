// Decides by the content type how the filter reads a body.
import { bytesOf } from "../../base/bytes";
import { HEAD_ENCODING, HEAD_TYPE, headLength, headPointer } from "./request-head";

export const TYPE_JSON: u32 = 0;
export const TYPE_MULTIPART: u32 = 1;
export const TYPE_OTHER: u32 = 2;

const json = bytesOf("application/json");
const plusJson = bytesOf("+json");
const multipart = bytesOf("multipart/form-data");
const identity = bytesOf("identity");

/** Returns TYPE_... A request without a content type counts as JSON, because model servers read its body as JSON. */
export function bodyType(): u32 {
  const text = headPointer(HEAD_TYPE);
  const length = essence(text, headLength(HEAD_TYPE));
  if (length == 0 || equalsIgnoringCase(text, length, json.pointer, json.length)) return TYPE_JSON;
  if (equalsIgnoringCase(text, length, multipart.pointer, multipart.length)) return TYPE_MULTIPART;
  const suffix = plusJson.length;
  if (length > suffix && equalsIgnoringCase(text + length - suffix, suffix, plusJson.pointer, suffix)) return TYPE_JSON;
  return TYPE_OTHER;
}

/** Returns whether the body is encoded, for example by gzip. The filter cannot read an encoded body. */
export function isEncoded(): bool {
  const length = headLength(HEAD_ENCODING);
  return length > 0 && !equalsIgnoringCase(headPointer(HEAD_ENCODING), length, identity.pointer, identity.length);
}

/** Returns the length of `type/subtype`, without parameters and the blanks before them. */
function essence(text: usize, length: u32): u32 {
  let end: u32 = 0;
  while (end < length && load<u8>(text + end) != 0x3b) end++;
  while (end > 0 && (load<u8>(text + end - 1) == 0x20 || load<u8>(text + end - 1) == 0x09)) end--;
  return end;
}

/** Compares the two texts without regard to case. `lower` must be in lower case. */
function equalsIgnoringCase(text: usize, length: u32, lower: usize, lowerLength: u32): bool {
  if (length != lowerLength) return false;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) != load<u8>(lower + i)) return false;
  }
  return true;
}
