// Reads one part: its header lines, its first byte, and its data up to the next delimiter. Captures the value of the model.
import { sameBytes } from "../../base/bytes";
import { VALUE_STRING, VALUE_TOO_LONG, VALUE_UNREPRESENTABLE } from "../json/fields";
import { utf8Whole } from "../utf8";
import { MULTIPART_BARE, MULTIPART_HEADER, MULTIPART_HEADERS_TOO_LONG } from "./form-errors";
import {
  FormState,
  MAX_HEADERS_BYTES,
  MAX_VALUE_BYTES,
  MODE_BEGIN,
  MODE_DATA,
  PART_ASCII,
  PART_MODEL,
} from "./form-state";
import { lineRest } from "./lines";
import { closeHeaders, readHeader } from "./part-headers";
import { findLine } from "./search";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE: u32 = 0x20;

/** Reads header lines up to the blank line. If the end of the window cuts a line, the line is read in the next window. */
export function headers(state: FormState, p: usize, end: usize): usize {
  while (true) {
    const before = state.headers;
    let q = p;
    while (true) {
      if (q == end) return p;
      if (before + <u32>(q - p) >= MAX_HEADERS_BYTES) return state.fail(MULTIPART_HEADERS_TOO_LONG, q);
      const c = load<u8>(q);
      if (c == CR) {
        if (q + 1 == end) return p;
        if (load<u8>(q, 1) != LF) return state.fail(MULTIPART_HEADER, q + 1);
        break;
      }
      if ((c < SPACE && c != TAB) || c == 0x7f) return state.fail(MULTIPART_HEADER, q);
      q++;
    }
    const error = q == p ? closeHeaders(state) : readHeader(state, p, q);
    if (error != 0) return state.fail(error, p);
    if (q == p) {
      state.mode = MODE_BEGIN;
      return q + 2;
    }
    state.headers = before + <u32>(q - p) + 2;
    p = q + 2;
  }
}

/** Reads the first byte of a part, `p`. A delimiter here is refused: some parsers end an empty part, others read it as data. */
export function begin(state: FormState, p: usize, end: usize): usize {
  const there = end - p;
  const length = <usize>state.delimiterLength;
  if (there == 0) return p;
  if (sameBytes(p, state.delimiter, min(there, length))) {
    return there < length ? p : state.fail(MULTIPART_BARE, p);
  }
  state.mode = MODE_DATA;
  if (state.part & PART_MODEL) {
    state.valueStart = state.offsetOf(p);
    state.valueLength = 0;
  }
  return p;
}

/** Reads data up to the next delimiter, and the delimiter's line. */
export function partData(state: FormState, p: usize, end: usize): usize {
  const length = <usize>state.delimiterLength;
  const q = findLine(p, end, state.delimiter, length);
  let stop = q;
  if (q < end) {
    // A CR is never consumed in an earlier window than the LF that follows it.
    const whole = load<u8>(q) == LF && q > p && load<u8>(q - 1) == CR;
    if (whole) stop--;
    if (end - q > length) {
      if (!whole) return state.fail(MULTIPART_BARE, q + 1);
      // lineRest() opens the next part and clears the flags, so the flags are read first.
      const part = state.part;
      if (part & PART_MODEL) capture(state, p, stop);
      const next = lineRest(state, q + 1 + length, end);
      if (next != 0 && part & PART_MODEL) closeModel(state, part, stop);
      return next != 0 ? next : stop;
    }
  } else if (end > p) {
    // The window ends with a line end, or a part of a line end. A delimiter may follow in the next window.
    const c = load<u8>(end - 1);
    if (c == CR) stop--;
    else if (c == LF) stop -= end - p > 1 && load<u8>(end - 2) == CR ? 2 : 1;
  }
  if (state.part & PART_MODEL) capture(state, p, stop);
  return stop;
}

function capture(state: FormState, from: usize, to: usize): void {
  const length = state.valueLength;
  if (length <= MAX_VALUE_BYTES) {
    memory.copy(state.value + length, from, min<usize>(to - from, MAX_VALUE_BYTES - length));
  }
  state.valueLength = length + <u32>(to - from);
}

function closeModel(state: FormState, part: u32, stop: usize): void {
  state.valueEnd = state.offsetOf(stop);
  const length = state.valueLength;
  const value = state.value;
  let kind = VALUE_STRING;
  if (length > MAX_VALUE_BYTES) kind = VALUE_TOO_LONG;
  else if (part & PART_ASCII ? !isAscii(value, value + length) : !utf8Whole(value, value + length))
    kind = VALUE_UNREPRESENTABLE;
  state.kind = kind;
}

function isAscii(p: usize, end: usize): bool {
  while (p < end && load<u8>(p) < 0x80) p++;
  return p == end;
}
