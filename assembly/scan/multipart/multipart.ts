// Finds the part named model of a multipart/form-data body (RFC 7578, RFC 2046), window by window.
//
//   body = preamble *( delimiter-line part ) closing-line [ epilogue ]
//   delimiter-line = "--" boundary CR LF
//   closing-line = "--" boundary "--" blanks ( CR LF | [ LF ] end of the body )
//   preamble = up to 8192 bytes, ending in CR LF where there are any, without "--" boundary
//   part = *header-line CR LF data CR LF
//   header-line = see part-headers.ts; up to 8192 bytes of them a part
//   data = any bytes, without CR "--" boundary, LF "--" boundary or "--" boundary at its beginning
//   epilogue = any bytes
//
// What vLLM (Starlette's parser on python-multipart) reads of the bodies that clients send is read; where its versions or
// other servers read a body differently, it is refused, so that nobody makes the filter see another model than the server
// does. The known cases: blanks behind a delimiter (padding, or data), a line that begins with the delimiter and goes on
// (data, or a delimiter), CR or LF alone before a delimiter, no closing delimiter (python-multipart drops the last part
// and says nothing), text before the first delimiter that holds it, repeated or extended (name*) parameters, repeated
// Content-Disposition, a model that is a file, transfer-encoded or in another charset (that is not ASCII, where it is said
// to be in Latin-1). Several parts named model: Starlette's FormData keeps the last one's value, so the last one wins.
import { VALUE_STRING, VALUE_TOO_LONG, VALUE_UNREPRESENTABLE } from "../json/fields";
import { MULTIPART_DELIMITER, MULTIPART_TOO_LARGE, MULTIPART_UNEXPECTED_END } from "./errors";
import { closed, preamble } from "./lines";
import { begin, headers, partData } from "./part";
import { readContentType } from "./part-headers";
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
} from "./state";

export { multipartSentence } from "./errors";
export { MULTIPART_STATE_BYTES } from "./state";

/** `contentType`: the header's whole value. False where it gives no boundary to read by: the status says why. */
export function multipartInit(state: usize, contentType: usize, length: u32): bool {
  // The delimiter and the value are written before they are read.
  memory.fill(state, 0, offsetof<FormState>());
  const form = changetype<FormState>(state);
  const error = readContentType(form, contentType, contentType + length);
  form.status = -error;
  return error == 0;
}

/**
 * Reads `length` more bytes and returns how many it is done with: the rest comes again at the start of the next window.
 * At most 8192 bytes of header lines, or a delimiter and its line end, wait so. `last`: nothing follows this window.
 * 64 bytes before and behind the window must be readable. Done as soon as nothing that follows can matter.
 */
export function multipartFeed(state: usize, data: usize, length: u32, last: bool): u32 {
  const form = changetype<FormState>(state);
  const end = data + length;
  form.window = data;
  let p = data;
  if (form.status >= 0 && form.offset + length < length) form.fail(MULTIPART_TOO_LARGE, p);
  // Each step reads on in its mode; one that stays in its mode without an error wants more bytes.
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

/** Body offset of the byte that cannot stand where it stands; 0 where the content type is wrong. */
export function multipartErrorOffset(state: usize): u32 {
  return changetype<FormState>(state).errorOffset;
}

/** VALUE_STRING, VALUE_TOO_LONG or VALUE_UNREPRESENTABLE (not UTF-8) of the last part named model. */
export function multipartKind(state: usize): u32 {
  return changetype<FormState>(state).kind;
}

/** The value's bytes as they stand in the body; valid as long as the state is, and only where its kind is VALUE_STRING. */
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

/** Offset in the body of the byte after the value. */
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
