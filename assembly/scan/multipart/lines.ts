// Delimiter lines: the first one and what stands before it, the end of each one, the line of the last.

import { MULTIPART_DELIMITER, MULTIPART_PARTS, MULTIPART_PREAMBLE } from "./errors";
import { sameBytes } from "./search";
import {
  AT_DELIMITER,
  AT_DELIMITER_LENGTH,
  AT_FIRST,
  AT_HEADERS,
  AT_LINE,
  AT_MODE,
  AT_PART,
  AT_PARTS,
  AT_STATUS,
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
  multipartFail,
  multipartOffset,
} from "./state";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE: u32 = 0x20;
const HYPHEN = 0x2d;

export function preamble(state: usize, p: usize, end: usize): usize {
  const delimiter = state + AT_DELIMITER;
  const length = <usize>load<u32>(state, AT_DELIMITER_LENGTH);
  let line = load<u32>(state, AT_LINE);
  while (p < end) {
    const c = load<u8>(p);
    if (c == HYPHEN && sameBytes(p, delimiter, min(end - p, length))) {
      if (end - p < length) break;
      if (line != LINE_START) return multipartFail(state, MULTIPART_DELIMITER, p);
      store<u32>(state, multipartOffset(state, p), AT_FIRST);
      const next = lineRest(state, p + length, end);
      if (next != 0) return next;
      break;
    }
    if (multipartOffset(state, p) >= MAX_PREAMBLE_BYTES) return multipartFail(state, MULTIPART_PREAMBLE, p);
    line = c == CR ? LINE_RETURN : c == LF && line == LINE_RETURN ? LINE_START : LINE_INSIDE;
    p++;
  }
  store<u32>(state, line, AT_LINE);
  return p;
}

/** The rest of a delimiter's line, from behind the boundary on: the byte after it, 0 where that is not there or wrong. */
export function lineRest(state: usize, p: usize, end: usize): usize {
  if (p == end) return 0;
  const c = load<u8>(p);
  if (c != CR && c != HYPHEN) multipartFail(state, MULTIPART_DELIMITER, p);
  else if (p + 1 == end) return 0;
  else if (load<u8>(p, 1) != (c == CR ? LF : HYPHEN)) multipartFail(state, MULTIPART_DELIMITER, p + 1);
  else if (c == HYPHEN) store<u32>(state, MODE_CLOSED, AT_MODE);
  else {
    const parts = load<u32>(state, AT_PARTS) + 1;
    if (parts > MAX_PARTS) multipartFail(state, MULTIPART_PARTS, p + 2);
    store<u32>(state, parts, AT_PARTS);
    store<u32>(state, 0, AT_PART);
    store<u32>(state, 0, AT_HEADERS);
    store<u32>(state, MODE_HEADERS, AT_MODE);
  }
  return load<i32>(state, AT_STATUS) < 0 ? 0 : p + 2;
}

/** In the closing delimiter's line. */
export function closed(state: usize, p: usize, end: usize): usize {
  while (p < end && (load<u8>(p) == SPACE || load<u8>(p) == TAB)) p++;
  if (p == end) return p;
  const c = load<u8>(p);
  if (c == LF) {
    store<u32>(state, MODE_LAST_LINE, AT_MODE);
    return p + 1;
  }
  if (c != CR) return multipartFail(state, MULTIPART_DELIMITER, p);
  if (p + 1 == end) return p;
  if (load<u8>(p, 1) != LF) return multipartFail(state, MULTIPART_DELIMITER, p + 1);
  store<u32>(state, MODE_EPILOGUE, AT_MODE);
  store<i32>(state, MULTIPART_DONE, AT_STATUS);
  return p + 2;
}
