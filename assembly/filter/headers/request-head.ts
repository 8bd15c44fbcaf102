// The head: the request's headers as one host call returns them at the stream's start. Ten host calls for ten headers would cost
// more than the scan of a short body. The values stay where the host wrote them, so they are valid until the next host call that
// returns bytes. A caller that needs a value for longer copies it.
//
//   pairs = u32 count, { u32 name length, u32 value length }, { name, NUL, value, NUL }
import { Bytes, bytesEqual } from "../../base/bytes";
import { getHeaderPairs, REQUEST_HEADERS, resultLength, resultPointer } from "../../host/calls";
import {
  BASE_MODEL,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  COOKIE,
  DEBUG,
  DESTINATION,
  FAIRNESS,
  GET,
  METHOD,
  MODEL,
  OBJECTIVE,
  PATH,
  SECRET,
  UPGRADE,
} from "./header-names";

export const HEAD_PATH: u32 = 0;
const HEAD_METHOD: u32 = 1;
export const HEAD_TYPE: u32 = 2;
const HEAD_LENGTH: u32 = 3;
export const HEAD_ENCODING: u32 = 4;
export const HEAD_SECRET: u32 = 5;
export const HEAD_MODEL: u32 = 6;
export const HEAD_BASE_MODEL: u32 = 7;
export const HEAD_DESTINATION: u32 = 8;
export const HEAD_OBJECTIVE: u32 = 9;
export const HEAD_FAIRNESS: u32 = 10;
export const HEAD_DEBUG: u32 = 11;
export const HEAD_COOKIE: u32 = 12;
/** The configured header that names a session. */
export const HEAD_SESSION: u32 = 13;
const HEAD_UPGRADE: u32 = 14;
const NAMES: u32 = 15;

/** The value of one of the above headers. */
@unmanaged
class Found {
  /** Pointer to the value; 0: the request does not have the header. */
  value: usize = 0;
  length: u32 = 0;
}

/** Bytes of one record for each of the above headers, rounded up to whole vectors of 16 bytes. */
const FOUND_BYTES: u32 = (NAMES * offsetof<Found>() + 15) & ~15;
const found: usize = memory.data(FOUND_BYTES, 16);

/** The name of one of the above headers. */
@unmanaged
class Known {
  /** Bytes of the name; 0: this slot is empty. */
  name: usize = 0;
  head: u32 = 0;
}

/** The length of a name and the lowest bit of its first letter give the name's slot. No two of the names have the same slot. */
const LENGTHS: u32 = 32;
const slots: usize = memory.data(2 * LENGTHS * offsetof<Known>(), 8);
know(PATH, HEAD_PATH);
know(COOKIE, HEAD_COOKIE);
know(METHOD, HEAD_METHOD);
know(CONTENT_TYPE, HEAD_TYPE);
know(CONTENT_LENGTH, HEAD_LENGTH);
know(CONTENT_ENCODING, HEAD_ENCODING);
know(DEBUG, HEAD_DEBUG);
know(SECRET, HEAD_SECRET);
know(MODEL, HEAD_MODEL);
know(BASE_MODEL, HEAD_BASE_MODEL);
know(OBJECTIVE, HEAD_OBJECTIVE);
know(DESTINATION, HEAD_DESTINATION);
know(FAIRNESS, HEAD_FAIRNESS);
know(UPGRADE, HEAD_UPGRADE);

function know(name: Bytes, head: u32): void {
  const slot = slotOf(name.pointer, name.length);
  assert(name.length >= 4 && name.length < LENGTHS && slot.name == 0);
  slot.name = changetype<usize>(name);
  slot.head = head;
}

function slotOf(text: usize, length: u32): Known {
  return changetype<Known>(slots + (length + (load<u8>(text) & 1) * LENGTHS) * offsetof<Known>());
}

function foundAt(head: u32): Found {
  return changetype<Found>(found + head * offsetof<Found>());
}

/**
 * Reads the headers. Of several headers with one name the first counts. `session` is the configured name of the header that names a
 * session; empty: none is configured.
 */
export function readHead(session: Bytes): void {
  const none = i32x4.splat(0);
  for (let at = found; at < found + FOUND_BYTES; at += 16) v128.store(at, none);
  if (!getHeaderPairs(REQUEST_HEADERS) || resultLength() < 4) return;
  const pairs = resultPointer();
  const end = pairs + resultLength();
  const count = load<u32>(pairs);
  let at = pairs + 4 + <usize>count * 8;
  for (let i: u32 = 0; i < count; i++) {
    const lengths = pairs + 4 + i * 8;
    const nameLength = load<u32>(lengths);
    const valueLength = load<u32>(lengths, 4);
    const value = at + nameLength + 1;
    if (value + valueLength >= end) return;
    let name = NAMES;
    if (nameLength < LENGTHS) {
      const slot = slotOf(at, nameLength);
      if (slot.name && isSame(at, changetype<Bytes>(slot.name).pointer, nameLength)) name = slot.head;
    }
    if (name == NAMES && nameLength == session.length && memory.compare(at, session.pointer, nameLength) == 0)
      name = HEAD_SESSION;
    if (name < NAMES && foundAt(name).value == 0) {
      foundAt(name).value = value;
      foundAt(name).length = valueLength;
    }
    at = value + valueLength + 1;
  }
}

/** Compares two texts of at least 4 bytes, by words from the start. The last word may overlap the word before. */
function isSame(a: usize, b: usize, length: u32): bool {
  const last = length - 4;
  for (let i: u32 = 0; i < last; i += 4) if (load<u32>(a + i) != load<u32>(b + i)) return false;
  return load<u32>(a + last) == load<u32>(b + last);
}

export function headHas(head: u32): bool {
  return foundAt(head).value != 0;
}
export function headPointer(head: u32): usize {
  return foundAt(head).value;
}
export function headLength(head: u32): u32 {
  return foundAt(head).length;
}

/** Returns the content-length; -1 for none. Envoy refuses a content-length that is not a number. */
export function declaredLength(): i64 {
  if (!headHas(HEAD_LENGTH)) return -1;
  let value: u64 = 0;
  for (let i: u32 = 0; i < headLength(HEAD_LENGTH) && value < 0xffffffff; i++) {
    const digit = <u32>load<u8>(headPointer(HEAD_LENGTH) + i) - 0x30;
    if (digit > 9) return -1;
    value = value * 10 + digit;
  }
  return <i64>value;
}

export function isMethod(method: Bytes): bool {
  return bytesEqual(headPointer(HEAD_METHOD), headLength(HEAD_METHOD), method.pointer, method.length);
}

/**
 * Returns whether the request opens a WebSocket, also over HTTP/2. Envoy then announces a body, and that body never ends. With any
 * other method than GET the upgrade header means nothing, and the filter reads the body.
 */
export function isUpgrade(): bool {
  return headHas(HEAD_UPGRADE) && isMethod(GET);
}
