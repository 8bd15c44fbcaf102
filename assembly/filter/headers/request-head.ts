// The request's headers, read by one host call at the stream's start and looked at where they lie: ten host calls for ten
// headers would cost more than scanning a short body. What is found is valid until the next host call that returns bytes;
// whoever needs it longer copies it.
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
} from "./names";

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
/** The one that names sessions, see readHead(). */
export const HEAD_SESSION: u32 = 13;
const HEAD_UPGRADE: u32 = 14;
const NAMES: u32 = 15;

/** usize pointer, u32 length for each of the above; pointer 0: not there. */
const FOUND_BYTES: u32 = 128;
const found: usize = memory.data(FOUND_BYTES, 16);

let session: usize = 0;
let sessionLength: u32 = 0;

/** The configured header that names a session, from here on; of length 0: none does. */
export function watchSession(name: Bytes): void {
  session = name.pointer;
  sessionLength = name.length;
}

/** usize Bytes, u32 HEAD_ for each name, at the place that its length and its first letter give; no two have the same. */
const PLACES: u32 = 64;
const LENGTHS: u32 = 32;
const places: usize = memory.data(PLACES * 8, 8);
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
  const place = placeOf(name.pointer, name.length);
  assert(name.length >= 4 && name.length < LENGTHS && load<usize>(place) == 0);
  store<usize>(place, changetype<usize>(name));
  store<u32>(place, head, 4);
}

function placeOf(text: usize, length: u32): usize {
  return places + (length + (load<u8>(text) & 1) * LENGTHS) * 8;
}

/** Reads the headers. Of one that stands twice the first counts. */
export function readHead(): void {
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
      const place = placeOf(at, nameLength);
      const known = load<usize>(place);
      if (known && isSame(at, changetype<Bytes>(known).pointer, nameLength)) name = load<u32>(place, 4);
    }
    if (name == NAMES && nameLength == sessionLength && memory.compare(at, session, nameLength) == 0)
      name = HEAD_SESSION;
    if (name < NAMES && load<usize>(found + name * 8) == 0) {
      store<usize>(found + name * 8, value);
      store<u32>(found + name * 8, valueLength, 4);
    }
    at = value + valueLength + 1;
  }
}

/** Of 4 bytes or more: words from the start on, and the last one once more. */
function isSame(a: usize, b: usize, length: u32): bool {
  const last = length - 4;
  for (let i: u32 = 0; i < last; i += 4) if (load<u32>(a + i) != load<u32>(b + i)) return false;
  return load<u32>(a + last) == load<u32>(b + last);
}

export function headHas(head: u32): bool {
  return load<usize>(found + head * 8) != 0;
}
export function headPointer(head: u32): usize {
  return load<usize>(found + head * 8);
}
export function headLength(head: u32): u32 {
  return load<u32>(found + head * 8, 4);
}

/** Content-length; -1 when the request does not say. What is no number is Envoy's to refuse. */
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
 * A WebSocket's request, over HTTP/2 too: Envoy says that more follows, and it never ends. With any other method the
 * header keeps nobody from reading a body.
 */
export function isUpgrade(): bool {
  return headHas(HEAD_UPGRADE) && isMethod(GET);
}
