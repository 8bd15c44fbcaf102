// One part: its header lines, its first byte, its data up to the next delimiter, and what is kept of it.
import { VALUE_STRING, VALUE_TOO_LONG, VALUE_UNREPRESENTABLE } from "../json/fields";
import { utf8Whole } from "../utf8";
import { MULTIPART_BARE, MULTIPART_HEADER, MULTIPART_HEADERS_TOO_LONG } from "./errors";
import { lineRest } from "./lines";
import { closeHeaders, readHeader } from "./part-headers";
import { findLine, sameBytes } from "./search";
import {
  AT_DELIMITER,
  AT_DELIMITER_LENGTH,
  AT_HEADERS,
  AT_KIND,
  AT_MODE,
  AT_PART,
  AT_VALUE,
  AT_VALUE_END,
  AT_VALUE_LENGTH,
  AT_VALUE_START,
  MAX_HEADERS_BYTES,
  MAX_VALUE_BYTES,
  MODE_BEGIN,
  MODE_DATA,
  multipartFail,
  multipartOffset,
  PART_ASCII,
  PART_MODEL,
} from "./state";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE: u32 = 0x20;

export function headers(state: usize, p: usize, end: usize): usize {
  while (true) {
    const before = load<u32>(state, AT_HEADERS);
    let q = p;
    while (true) {
      if (q == end) return p;
      if (before + <u32>(q - p) >= MAX_HEADERS_BYTES) return multipartFail(state, MULTIPART_HEADERS_TOO_LONG, q);
      const c = load<u8>(q);
      if (c == CR) {
        if (q + 1 == end) return p;
        if (load<u8>(q, 1) != LF) return multipartFail(state, MULTIPART_HEADER, q + 1);
        break;
      }
      if ((c < SPACE && c != TAB) || c == 0x7f) return multipartFail(state, MULTIPART_HEADER, q);
      q++;
    }
    const error = q == p ? closeHeaders(state) : readHeader(state, p, q);
    if (error != 0) return multipartFail(state, error, p);
    if (q == p) {
      store<u32>(state, MODE_BEGIN, AT_MODE);
      return q + 2;
    }
    store<u32>(state, before + <u32>(q - p) + 2, AT_HEADERS);
    p = q + 2;
  }
}

/** At a part's first byte: some parsers take a delimiter here for the end of an empty part, some for data. */
export function begin(state: usize, p: usize, end: usize): usize {
  const there = end - p;
  const length = <usize>load<u32>(state, AT_DELIMITER_LENGTH);
  if (there == 0) return p;
  if (sameBytes(p, state + AT_DELIMITER, min(there, length))) {
    return there < length ? p : multipartFail(state, MULTIPART_BARE, p);
  }
  store<u32>(state, MODE_DATA, AT_MODE);
  if (load<u32>(state, AT_PART) & PART_MODEL) {
    store<u32>(state, multipartOffset(state, p), AT_VALUE_START);
    store<u32>(state, 0, AT_VALUE_LENGTH);
  }
  return p;
}

export function partData(state: usize, p: usize, end: usize): usize {
  const length = <usize>load<u32>(state, AT_DELIMITER_LENGTH);
  const q = findLine(p, end, state + AT_DELIMITER, length);
  let stop = q;
  if (q < end) {
    // A CR that belongs to a LF never stays behind in an earlier window.
    const whole = load<u8>(q) == LF && q > p && load<u8>(q - 1) == CR;
    if (whole) stop--;
    if (end - q > length) {
      if (!whole) return multipartFail(state, MULTIPART_BARE, q + 1);
      // lineRest() opens the next part: what this one was must be known before.
      const part = load<u32>(state, AT_PART);
      if (part & PART_MODEL) capture(state, p, stop);
      const next = lineRest(state, q + 1 + length, end);
      if (next != 0 && part & PART_MODEL) closeModel(state, part, stop);
      return next != 0 ? next : stop;
    }
  } else if (end > p) {
    // A line's end that may go on as a delimiter in the next window.
    const c = load<u8>(end - 1);
    if (c == CR) stop--;
    else if (c == LF) stop -= end - p > 1 && load<u8>(end - 2) == CR ? 2 : 1;
  }
  if (load<u32>(state, AT_PART) & PART_MODEL) capture(state, p, stop);
  return stop;
}

function capture(state: usize, from: usize, to: usize): void {
  const length = load<u32>(state, AT_VALUE_LENGTH);
  if (length <= MAX_VALUE_BYTES) {
    memory.copy(state + AT_VALUE + length, from, min<usize>(to - from, MAX_VALUE_BYTES - length));
  }
  store<u32>(state, length + <u32>(to - from), AT_VALUE_LENGTH);
}

function closeModel(state: usize, part: u32, stop: usize): void {
  store<u32>(state, multipartOffset(state, stop), AT_VALUE_END);
  const length = load<u32>(state, AT_VALUE_LENGTH);
  const value = state + AT_VALUE;
  let kind = VALUE_STRING;
  if (length > MAX_VALUE_BYTES) kind = VALUE_TOO_LONG;
  else if (part & PART_ASCII ? !isAscii(value, value + length) : !utf8Whole(value, value + length))
    kind = VALUE_UNREPRESENTABLE;
  store<u32>(state, kind, AT_KIND);
}

function isAscii(p: usize, end: usize): bool {
  while (p < end && load<u8>(p) < 0x80) p++;
  return p == end;
}
