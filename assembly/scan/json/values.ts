// Reads the tokens that the loop of structure.ts does not read itself: top-level keys, wanted values, and tokens that are long,
// rare, wrong or cut by the end of the window. Each function returns the address where it stopped. If the token is whole, `mode`
// is then MODE_COLON or MODE_AFTER. Else the function has failed, or waits for more bytes.

import { skipSpace } from "../space";
import { bodyOffset, keyBegin, keyEnd, keySegment, valueBegin, valueRaw, valueSegment } from "./capture";
import { VALUE_ARRAY, VALUE_FALSE, VALUE_NULL, VALUE_NUMBER, VALUE_OBJECT, VALUE_STRING, VALUE_TRUE } from "./fields";
import {
  ERROR_CONTROL,
  ERROR_DUPLICATE,
  ERROR_EMPTY,
  ERROR_ENCODING,
  ERROR_ESCAPE,
  ERROR_EXPECTED_VALUE,
  ERROR_INTEGER_DIGITS,
  ERROR_LITERAL,
  ERROR_NOT_OBJECT,
  ERROR_NUMBER,
  ERROR_UNEXPECTED_END,
  ERROR_UTF8,
} from "./json-errors";
import { NUMBER_START, numberEnded, numberLong, numberTooManyDigits } from "./numbers";
import {
  MODE_AFTER,
  MODE_COLON,
  MODE_IN_KEY,
  MODE_IN_NUMBER,
  MODE_IN_STRING,
  MODE_VALUE,
  ScanState,
} from "./scan-state";
import { escapeCut, scanString } from "./strings";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const MINUS: u32 = 0x2d;
const BRACKET: u32 = 0x5b;
const BRACE: u32 = 0x7b;

const TRUE: usize = memory.data<u8>([0x74, 0x72, 0x75, 0x65]);
const FALSE: usize = memory.data<u8>([0x66, 0x61, 0x6c, 0x73, 0x65]);
const NULL: usize = memory.data<u8>([0x6e, 0x75, 0x6c, 0x6c]);
const NAN: usize = memory.data<u8>([0x4e, 0x61, 0x4e]);
const MINUS_INFINITY: usize = memory.data<u8>([0x2d, 0x49, 0x6e, 0x66, 0x69, 0x6e, 0x69, 0x74, 0x79]);

export function fail(state: ScanState, code: i32, p: usize): void {
  state.status = -code;
  state.errorOffset = bodyOffset(state, p);
}

/** Fails with `code` if `p` is inside the window. Else it waits for more bytes, or fails because the body ended. */
export function failAt(state: ScanState, code: i32, p: usize, end: usize, last: bool): void {
  if (p < end) {
    fail(state, code, p);
  } else if (last) {
    fail(state, ERROR_UNEXPECTED_END, end);
  }
}

/** Skips the BOM and white space before the object. Refuses bodies that Python's json.detect_encoding reads as UTF-16 or UTF-32. */
export function bodyStart(state: ScanState, p: usize, end: usize, last: bool): usize {
  const size = end - p;
  const first = state.offset == 0;
  if (first) {
    if (size < 4 && !last) return p;
    const a: u32 = size > 0 ? load<u8>(p) : 1;
    const b: u32 = size > 1 ? load<u8>(p, 1) : 1;
    const marked = (a == 0xff && b == 0xfe) || (a == 0xfe && b == 0xff);
    if (marked || ((size >= 4 || size == 2) && (a == 0 || b == 0))) {
      fail(state, ERROR_ENCODING, p);
      return p;
    }
    if (size >= 3 && (load<u32>(p) & 0xffffff) == 0xbfbbef) p += 3;
  }
  p = skipSpace(p);
  const c: u32 = load<u8>(p);
  if (p >= end) {
    if (last) fail(state, ERROR_EMPTY, end);
  } else if (c == BRACE) {
    state.mode = MODE_VALUE;
  } else if (c == BRACKET || c == QUOTE || c == MINUS || c - 0x30 < 10 || literalBytes(literalAt(c)) > 0) {
    fail(state, ERROR_NOT_OBJECT, p);
  } else {
    fail(state, ERROR_EXPECTED_VALUE, p);
  }
  return p;
}

/** Reads a top-level key. `p` is its first quote. */
export function topKey(state: ScanState, p: usize, end: usize, last: bool): usize {
  keyBegin(state, p);
  return keyRest(state, p + 1, end, last);
}

/** Reads on in a key at `p`. */
export function keyRest(state: ScanState, p: usize, end: usize, last: bool): usize {
  const top = state.depth == 1;
  const stop = scanString(p, end);
  if (top) keySegment(state, p, stop);
  if (load<u8>(stop) != QUOTE) {
    state.mode = MODE_IN_KEY;
    failString(state, stop, end, last);
    return stop;
  }
  state.mode = MODE_COLON;
  if (top && !keyEnd(state)) {
    fail(state, ERROR_DUPLICATE, stop);
    state.errorOffset = state.keyStart;
  }
  return stop + 1;
}

/** Reads on in a string value at `p`. */
export function stringRest(state: ScanState, p: usize, end: usize, last: bool): usize {
  const wanted = state.wanted;
  const stop = scanString(p, end);
  if (wanted >= 0) valueSegment(state, wanted, p, stop);
  if (load<u8>(stop) == QUOTE) {
    state.mode = MODE_AFTER;
    return stop + 1;
  }
  state.mode = MODE_IN_STRING;
  failString(state, stop, end, last);
  return stop;
}

function failString(state: ScanState, p: usize, end: usize, last: bool): void {
  const c: u32 = load<u8>(p);
  if (p >= end || (c == BACKSLASH && escapeCut(p, end))) {
    if (last) fail(state, ERROR_UNEXPECTED_END, end);
  } else {
    fail(state, c == BACKSLASH ? ERROR_ESCAPE : c < 0x20 ? ERROR_CONTROL : ERROR_UTF8, p);
  }
}

/** Reads on in a number at `p`. */
export function numberRest(state: ScanState, p: usize, end: usize, last: bool): usize {
  const wanted = state.wanted;
  const stop = numberLong(state, p, end);
  if (wanted >= 0) valueRaw(state, wanted, p, stop);
  state.mode = MODE_IN_NUMBER;
  if (stop >= end && !last) return stop;
  if (!numberEnded(state, load<u8>(stop))) {
    failAt(state, ERROR_NUMBER, stop, end, last);
  } else if (numberTooManyDigits(state)) {
    fail(state, ERROR_INTEGER_DIGITS, stop);
    state.errorOffset = state.numberStart;
  } else {
    state.mode = MODE_AFTER;
  }
  return stop;
}

/** Reads a value with the first byte `p`. For an object or array only the kind is recorded, and `mode` stays. */
export function valueSlow(state: ScanState, p: usize, end: usize, last: bool): usize {
  const wanted = state.wanted;
  if (p >= end) {
    if (last) fail(state, ERROR_UNEXPECTED_END, end);
    return p;
  }
  const c: u32 = load<u8>(p);
  if (wanted >= 0) valueBegin(state, wanted, p, kindOf(c));
  if (c == BRACE || c == BRACKET) return p;
  if (c == QUOTE) return stringRest(state, p + 1, end, last);
  const minusEnds = c == MINUS && p + 1 >= end;
  if (minusEnds && !last) return p;
  if (c - 0x30 < 10 || (c == MINUS && load<u8>(p, 1) != 0x49)) {
    state.numberStart = bodyOffset(state, p);
    state.number = NUMBER_START;
    state.digits = 0;
    return numberRest(state, p, end, last);
  }
  const literal = literalAt(c);
  const size = literalBytes(literal);
  if (size == 0) {
    fail(state, ERROR_EXPECTED_VALUE, p);
    return p;
  }
  const left = min<usize>(size, end - p);
  if (memory.compare(p, literal, left) != 0) {
    fail(state, ERROR_LITERAL, p);
  } else if (left == size) {
    if (wanted >= 0) valueRaw(state, wanted, p, p + size);
    state.mode = MODE_AFTER;
    return p + size;
  } else if (last) {
    fail(state, ERROR_UNEXPECTED_END, end);
  }
  return p;
}

function literalAt(c: u32): usize {
  if (c == 0x74) return TRUE;
  if (c == 0x66) return FALSE;
  if (c == 0x6e) return NULL;
  if (c == 0x4e) return NAN;
  if (c == 0x49) return MINUS_INFINITY + 1;
  return c == MINUS ? MINUS_INFINITY : 0;
}

function literalBytes(literal: usize): usize {
  if (literal == TRUE || literal == NULL) return 4;
  if (literal == FALSE) return 5;
  if (literal == NAN) return 3;
  if (literal == MINUS_INFINITY + 1) return 8;
  return literal == MINUS_INFINITY ? 9 : 0;
}

function kindOf(c: u32): u32 {
  if (c == QUOTE) return VALUE_STRING;
  if (c == BRACE) return VALUE_OBJECT;
  if (c == BRACKET) return VALUE_ARRAY;
  if (c == 0x74) return VALUE_TRUE;
  if (c == 0x66) return VALUE_FALSE;
  return c == 0x6e ? VALUE_NULL : VALUE_NUMBER;
}
