// The body scanner. It reads one JSON object in UTF-8, window by window, by the rules of Python's json, which vLLM uses. The
// grammar is in structure.ts.
//
// The scanner is stricter than Python on purpose. It refuses UTF-16 and UTF-32, a top-level value that is not an object, and
// surrogates that are written in UTF-8. (Python decodes these with "surrogatepass", but a tokenizer cannot encode the result.)
// Python 3.11 gives up near 990 nested brackets, later versions much later; here the table of fields has the limit.
//
// Windows: jsonFeed() returns how many bytes it consumed. The next window must begin with the rest, which has at most 11 bytes
// unless the scanner paused. SLACK_BYTES on either side of a window must be readable and writable. jsonFeed() writes zeros there,
// and puts the old bytes back before it returns. So no loop needs to compare each byte's address with the window's end.

import { utf8Boundary } from "../utf8";
import { fieldsCount } from "./fields";
import { ERROR_TOO_LARGE } from "./json-errors";
import { clearState, MODE_START, ScanState, STATUS_MORE, STATUS_PAUSED } from "./scan-state";
import { scanStructure } from "./structure";
import { fail } from "./values";

/** Begins a body. `state` has fieldsStateBytes(table) bytes, 8-aligned. `table` (fields.ts) must stay while the state is used. */
export function jsonInit(state: usize, table: usize): void {
  const scan = changetype<ScanState>(state);
  clearState(scan, fieldsCount(table));
  scan.table = table;
  scan.mode = MODE_START;
  scan.wanted = -1;
  scan.outer = -1;
}

/**
 * Reads the next `length` bytes of the body; 0 is allowed. `last`: no bytes follow. Returns the number of bytes consumed. After
 * STATUS_PAUSED the caller must feed the rest of the same window again. After STATUS_DONE or an error the call does nothing.
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
  // If the end of the window cuts a character, the character is read in the next window.
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

/** The status: STATUS_MORE, STATUS_DONE, STATUS_PAUSED (scan-state.ts), or minus an error code (json-errors.ts). */
export function jsonStatus(state: usize): i32 {
  return changetype<ScanState>(state).status;
}

/** Offset in the body of the error. */
export function jsonErrorOffset(state: usize): u32 {
  return changetype<ScanState>(state).errorOffset;
}

/** Number of the body's bytes that were consumed so far. */
export function jsonOffset(state: usize): u32 {
  return changetype<ScanState>(state).offset;
}

/** Address of the part of the last window that lies in a hashed field's value. A window has at most one such part. */
export function jsonHashedPointer(state: usize): usize {
  return changetype<ScanState>(state).hashedPointer;
}

export function jsonHashedLength(state: usize): u32 {
  return changetype<ScanState>(state).hashedLength;
}
