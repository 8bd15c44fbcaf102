// Finds the part named model of a multipart/form-data body (RFC 7578, RFC 2046), window by window.
//
//   body = preamble *( delimiter-line part ) closing-line [ epilogue ]
//   delimiter-line = "--" boundary CR LF
//   closing-line = "--" boundary "--" blanks ( CR LF | [ LF ] end of the body )
//   preamble = up to MAX_PREAMBLE_BYTES, without "--" boundary, ending in CR LF unless empty
//   part = *header-line CR LF data CR LF
//   header-line = see part-headers.ts; up to MAX_HEADERS_BYTES in each part
//   data = any bytes, without CR "--" boundary, LF "--" boundary or "--" boundary at its beginning
//   epilogue = any bytes
//
// The scanner reads a form as vLLM does. vLLM uses Starlette's form parser, which uses python-multipart. The scanner refuses a body
// that other servers, or other versions of these parsers, read differently. So the filter and the server never read different
// models. The known cases:
//   - blanks behind a delimiter, which are padding or data
//   - a line that begins with the delimiter and goes on, which is data or a delimiter
//   - CR or LF alone before a delimiter
//   - no closing delimiter: python-multipart silently drops the last part
//   - the delimiter inside the text before the first delimiter line
//   - repeated or extended (name*) parameters, and a repeated Content-Disposition
//   - a model that is a file, transfer-encoded, or in another charset; declared as Latin-1, it must be ASCII
// If several parts are named model, the last part wins, because Starlette's FormData keeps its value.
import { VALUE_STRING, VALUE_TOO_LONG, VALUE_UNREPRESENTABLE } from "../json/fields";
import { MULTIPART_DELIMITER, MULTIPART_TOO_LARGE, MULTIPART_UNEXPECTED_END } from "./form-errors";
import {
  FormState,
  MODE_BEGIN,
  MODE_CLOSED,
  MODE_DATA,
  MODE_HEADERS,
  MODE_LAST_LINE,
  MODE_PREAMBLE,
  MULTIPART_DONE,
  MULTIPART_MORE,
} from "./form-state";
import { closed, preamble } from "./lines";
import { begin, headers, partData } from "./part";
import { readContentType } from "./part-headers";

export { multipartSentence } from "./form-errors";
export { MULTIPART_STATE_BYTES } from "./form-state";

/** Begins a form. `contentType` is the header's whole value. False if it has no usable boundary; the status then has the error. */
export function multipartInit(state: usize, contentType: usize, length: u32): bool {
  // Only FormState is cleared: the delimiter and the value are written before they are read.
  memory.fill(state, 0, offsetof<FormState>());
  const form = changetype<FormState>(state);
  const error = readContentType(form, contentType, contentType + length);
  form.status = -error;
  return error == 0;
}

/**
 * Reads `length` more bytes and returns the number of bytes consumed. The next window must begin with the rest, which is at most
 * MAX_HEADERS_BYTES of header lines, or a delimiter and its line end. `last`: no bytes follow this window. SLACK_BYTES on either
 * side of the window must be readable. The status is MULTIPART_DONE as soon as the following bytes cannot matter.
 */
export function multipartFeed(state: usize, data: usize, length: u32, last: bool): u32 {
  const form = changetype<FormState>(state);
  const end = data + length;
  form.window = data;
  let p = data;
  if (form.status >= 0 && form.offset + length < length) form.fail(MULTIPART_TOO_LARGE, p);
  // A step that neither changes the mode nor fails needs more bytes.
  while (form.status >= 0) {
    const mode = form.mode;
    p = step(form, mode, p, end);
    if (form.mode == mode) break;
  }
  if (form.status == MULTIPART_MORE && last) {
    const mode = form.mode;
    if (mode < MODE_CLOSED) form.fail(MULTIPART_UNEXPECTED_END, end);
    else {
      form.status = MULTIPART_DONE;
      p = end;
    }
  }
  const consumed = <u32>(p - data);
  form.offset = form.offset + consumed;
  return consumed;
}

export function multipartStatus(state: usize): i32 {
  return changetype<FormState>(state).status;
}

/** Offset in the body of the wrong byte; 0 if the content type is wrong. */
export function multipartErrorOffset(state: usize): u32 {
  return changetype<FormState>(state).errorOffset;
}

/** Kind of the last part named model: VALUE_STRING, VALUE_TOO_LONG or VALUE_UNREPRESENTABLE (not UTF-8). */
export function multipartKind(state: usize): u32 {
  return changetype<FormState>(state).kind;
}

/** Address of the value's bytes, unchanged. Only for the kind VALUE_STRING. Valid as long as the state. */
export function multipartValue(state: usize): usize {
  return changetype<FormState>(state).value;
}

export function multipartValueLength(state: usize): u32 {
  return changetype<FormState>(state).kind == VALUE_STRING ? changetype<FormState>(state).valueLength : 0;
}

/** Offset in the body of the value's first byte. */
export function multipartValueStart(state: usize): u32 {
  return changetype<FormState>(state).valueStart;
}

/** Offset in the body of the byte behind the value. */
export function multipartValueEnd(state: usize): u32 {
  return changetype<FormState>(state).valueEnd;
}

/** Offset in the body of the first delimiter line. */
export function multipartFirst(state: usize): u32 {
  return changetype<FormState>(state).first;
}

function step(state: FormState, mode: u32, p: usize, end: usize): usize {
  switch (mode) {
    case MODE_PREAMBLE:
      return preamble(state, p, end);
    case MODE_HEADERS:
      return headers(state, p, end);
    case MODE_BEGIN:
      return begin(state, p, end);
    case MODE_DATA:
      return partData(state, p, end);
    case MODE_CLOSED:
      return closed(state, p, end);
    case MODE_LAST_LINE:
      if (p < end) state.fail(MULTIPART_DELIMITER, p);
      return p;
    default:
      return end;
  }
}
