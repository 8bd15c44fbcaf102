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
import { clearState, MODE_START, ScanState, STATUS_MORE, STATUS_PAUSED } from "./state";
import { scanStructure } from "./structure";
import { fail } from "./values";

/** `state`: fieldsStateBytes(table) bytes, 8-aligned. `table` stays as long as the state does (fields.ts). */
export function jsonInit(state: usize, table: usize): void {
  const scan = changetype<ScanState>(state);
  clearState(scan, fieldsCount(table));
  scan.table = table;
  scan.mode = MODE_START;
  scan.wanted = -1;
  scan.outer = -1;
}

/**
 * Reads the next `length` bytes of the body; `last` where no more follow (`length` may be 0). Returns how many it
 * consumed. STATUS_PAUSED: feed the rest of the same window again. After STATUS_DONE or an error it does nothing.
 */
export function jsonFeed(state: usize, data: usize, length: u32, last: bool): u32 {
  const scan = changetype<ScanState>(state);
  const status = scan.status;
  if (status != STATUS_MORE && status != STATUS_PAUSED) return 0;
  scan.status = STATUS_MORE;
  scan.window = data;
  scan.hashedPointer = data;
  scan.hashedLength = 0;
  if (<u64>scan.offset + length > <u64>u32.MAX_VALUE) {
    fail(scan, ERROR_TOO_LARGE, data);
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

  const p = scanStructure(scan, data, end, last);

  store<u32>(data - 4, before);
  v128.store(end, after0);
  v128.store(end, after1, 16);
  v128.store(end, after2, 32);
  v128.store(end, after3, 48);

  if (scan.hashing) {
    scan.hashedLength = <u32>(p - scan.hashedPointer);
  }
  scan.offset = scan.offset + <u32>(p - data);
  return <u32>(p - data);
}

/** STATUS_MORE, STATUS_DONE, STATUS_PAUSED (state.ts), or minus an error code (errors.ts). */
export function jsonStatus(state: usize): i32 {
  return changetype<ScanState>(state).status;
}

/** Where in the body the error is. */
export function jsonErrorOffset(state: usize): u32 {
  return changetype<ScanState>(state).errorOffset;
}

/** Bytes of the body consumed so far. */
export function jsonOffset(state: usize): u32 {
  return changetype<ScanState>(state).offset;
}

/** The part of the last fed window that lies in a hashed field's value, as written; one at most. */
export function jsonHashedPointer(state: usize): usize {
  return changetype<ScanState>(state).hashedPointer;
}

export function jsonHashedLength(state: usize): u32 {
  return changetype<ScanState>(state).hashedLength;
}
