// Reads delimiter lines: the preamble up to the first delimiter line, the end of each line, and the line of the closing delimiter.

import { sameBytes } from "../../base/bytes";
import { MULTIPART_DELIMITER, MULTIPART_PARTS, MULTIPART_PREAMBLE } from "./form-errors";
import {
  FormState,
  LINE_INSIDE,
  LINE_RETURN,
  LINE_START,
  MAX_PARTS,
  MAX_PREAMBLE_BYTES,
  MODE_CLOSED,
  MODE_EPILOGUE,
  MODE_HEADERS,
  MODE_LAST_LINE,
  MULTIPART_DONE,
} from "./form-state";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE: u32 = 0x20;
const HYPHEN = 0x2d;

/** Reads the preamble and the first delimiter line. */
export function preamble(state: FormState, p: usize, end: usize): usize {
  const delimiter = state.delimiter;
  const length = <usize>state.delimiterLength;
  let line = state.line;
  while (p < end) {
    const c = load<u8>(p);
    if (c == HYPHEN && sameBytes(p, delimiter, min(end - p, length))) {
      if (end - p < length) break;
      if (line != LINE_START) return state.fail(MULTIPART_DELIMITER, p);
      state.first = state.offsetOf(p);
      const next = lineRest(state, p + length, end);
      if (next != 0) return next;
      break;
    }
    if (state.offsetOf(p) >= MAX_PREAMBLE_BYTES) return state.fail(MULTIPART_PREAMBLE, p);
    line = c == CR ? LINE_RETURN : c == LF && line == LINE_RETURN ? LINE_START : LINE_INSIDE;
    p++;
  }
  state.line = line;
  return p;
}

/** Reads the rest of a delimiter line behind the boundary. Returns the address behind the line; 0 if bytes are missing or wrong. */
export function lineRest(state: FormState, p: usize, end: usize): usize {
  if (p == end) return 0;
  const c = load<u8>(p);
  if (c != CR && c != HYPHEN) state.fail(MULTIPART_DELIMITER, p);
  else if (p + 1 == end) return 0;
  else if (load<u8>(p, 1) != (c == CR ? LF : HYPHEN)) state.fail(MULTIPART_DELIMITER, p + 1);
  else if (c == HYPHEN) state.mode = MODE_CLOSED;
  else {
    const parts = state.parts + 1;
    if (parts > MAX_PARTS) state.fail(MULTIPART_PARTS, p + 2);
    state.parts = parts;
    state.part = 0;
    state.headers = 0;
    state.mode = MODE_HEADERS;
  }
  return state.status < 0 ? 0 : p + 2;
}

/** Reads on in the line of the closing delimiter at `p`. */
export function closed(state: FormState, p: usize, end: usize): usize {
  while (p < end && (load<u8>(p) == SPACE || load<u8>(p) == TAB)) p++;
  if (p == end) return p;
  const c = load<u8>(p);
  if (c == LF) {
    state.mode = MODE_LAST_LINE;
    return p + 1;
  }
  if (c != CR) return state.fail(MULTIPART_DELIMITER, p);
  if (p + 1 == end) return p;
  if (load<u8>(p, 1) != LF) return state.fail(MULTIPART_DELIMITER, p + 1);
  state.mode = MODE_EPILOGUE;
  state.status = MULTIPART_DONE;
  return p + 2;
}
