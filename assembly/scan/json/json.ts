// The body scanner: one JSON object in UTF-8, by the rules of Python's json (which vLLM reads with), window by window.
//
// The grammar stands above the loop in structure.ts.
//
// Stricter than Python on purpose: UTF-16 and UTF-32 are refused, so are a top-level value that is no object and
// surrogates written in UTF-8 (Python decodes bytes with "surrogatepass"; a tokenizer cannot encode what comes of it).
// Nesting: Python 3.11 gives up near 990 brackets, later versions far beyond; the limit here is the table's.
//
// Windows: jsonFeed returns the bytes that it consumed; the next window begins with the rest (11 bytes at most unless it
// paused). The 64 bytes on either side of a window are readable and writable memory of any content, and so afterwards
// again: zero bytes are written there meanwhile, so that no loop asks for each byte whether the window is over.

import { utf8Boundary } from "../utf8";
import { ERROR_TOO_LARGE } from "./errors";
import { fieldsCount } from "./fields";
import {
  MODE_START,
  RECORD_BYTES,
  STATE_CONFIG,
  STATE_ERROR_OFFSET,
  STATE_HASHED_LENGTH,
  STATE_HASHED_POINTER,
  STATE_HASHING,
  STATE_KEY,
  STATE_MODE,
  STATE_OFFSET,
  STATE_OUTER,
  STATE_RECORDS,
  STATE_STATUS,
  STATE_WANTED,
  STATE_WINDOW,
  STATUS_MORE,
  STATUS_PAUSED,
} from "./state";
import { scanStructure } from "./structure";
import { fail } from "./values";

/** `state`: fieldsStateBytes(table) bytes, 8-aligned. `table` stays as long as the state does (fields.ts). */
export function jsonInit(state: usize, table: usize): void {
  // The key, the stack and what the fields capture are written before they are read.
  memory.fill(state, 0, STATE_KEY);
  memory.fill(state + STATE_RECORDS, 0, fieldsCount(table) * RECORD_BYTES);
  store<usize>(state, table, STATE_CONFIG);
  store<u32>(state, MODE_START, STATE_MODE);
  store<i32>(state, -1, STATE_WANTED);
  store<i32>(state, -1, STATE_OUTER);
}

/**
 * Reads the next `length` bytes of the body; `last` where no more follow (`length` may be 0). Returns how many it
 * consumed. STATUS_PAUSED: feed the rest of the same window again. After STATUS_DONE or an error it does nothing.
 */
export function jsonFeed(state: usize, data: usize, length: u32, last: bool): u32 {
  const status = jsonStatus(state);
  if (status != STATUS_MORE && status != STATUS_PAUSED) return 0;
  store<i32>(state, STATUS_MORE, STATE_STATUS);
  store<usize>(state, data, STATE_WINDOW);
  store<usize>(state, data, STATE_HASHED_POINTER);
  store<u32>(state, 0, STATE_HASHED_LENGTH);
  if (<u64>load<u32>(state, STATE_OFFSET) + length > <u64>u32.MAX_VALUE) {
    fail(state, ERROR_TOO_LARGE, data);
    return 0;
  }
  // A character that the window's end cuts waits for the next window.
  let end = data + length;
  if (!last) end = utf8Boundary(data, end);

  const before = load<u32>(data - 4);
  const after0 = v128.load(end);
  const after1 = v128.load(end, 16);
  const after2 = v128.load(end, 32);
  const after3 = v128.load(end, 48);
  const zero = i8x16.splat(0);
  store<u32>(data - 4, 0);
  v128.store(end, zero);
  v128.store(end, zero, 16);
  v128.store(end, zero, 32);
  v128.store(end, zero, 48);

  const p = scanStructure(state, data, end, last);

  store<u32>(data - 4, before);
  v128.store(end, after0);
  v128.store(end, after1, 16);
  v128.store(end, after2, 32);
  v128.store(end, after3, 48);

  if (load<u32>(state, STATE_HASHING)) {
    store<u32>(state, <u32>(p - load<usize>(state, STATE_HASHED_POINTER)), STATE_HASHED_LENGTH);
  }
  store<u32>(state, load<u32>(state, STATE_OFFSET) + <u32>(p - data), STATE_OFFSET);
  return <u32>(p - data);
}

/** STATUS_MORE, STATUS_DONE, STATUS_PAUSED (state.ts), or minus an error code (errors.ts). */
export function jsonStatus(state: usize): i32 {
  return load<i32>(state, STATE_STATUS);
}

/** Where in the body the error is. */
export function jsonErrorOffset(state: usize): u32 {
  return load<u32>(state, STATE_ERROR_OFFSET);
}

/** Bytes of the body consumed so far. */
export function jsonOffset(state: usize): u32 {
  return load<u32>(state, STATE_OFFSET);
}

/** The part of the last fed window that lies in a hashed field's value, as written; one at most. */
export function jsonHashedPointer(state: usize): usize {
  return load<usize>(state, STATE_HASHED_POINTER);
}

export function jsonHashedLength(state: usize): u32 {
  return load<u32>(state, STATE_HASHED_LENGTH);
}
