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
  AT_DELIMITER,
  AT_ERROR_OFFSET,
  AT_FIRST,
  AT_KIND,
  AT_MODE,
  AT_OFFSET,
  AT_STATUS,
  AT_VALUE,
  AT_VALUE_END,
  AT_VALUE_LENGTH,
  AT_VALUE_START,
  AT_WINDOW,
  MODE_BEGIN,
  MODE_CLOSED,
  MODE_DATA,
  MODE_HEADERS,
  MODE_LAST_LINE,
  MODE_PREAMBLE,
  MULTIPART_DONE,
  MULTIPART_MORE,
  multipartFail,
} from "./state";

export { multipartSentence } from "./errors";
export { MULTIPART_STATE_BYTES } from "./state";

/** `contentType`: the header's whole value. False where it gives no boundary to read by: the status says why. */
export function multipartInit(state: usize, contentType: usize, length: u32): bool {
  memory.fill(state, 0, AT_DELIMITER);
  const error = readContentType(state, contentType, contentType + length);
  store<i32>(state, -error, AT_STATUS);
  return error == 0;
}

/**
 * Reads `length` more bytes and returns how many it is done with: the rest comes again at the start of the next window.
 * At most 8192 bytes of header lines, or a delimiter and its line end, wait so. `last`: nothing follows this window.
 * 64 bytes before and behind the window must be readable. Done as soon as nothing that follows can matter.
 */
export function multipartFeed(state: usize, data: usize, length: u32, last: bool): u32 {
  const end = data + length;
  store<usize>(state, data, AT_WINDOW);
  let p = data;
  if (multipartStatus(state) >= 0 && load<u32>(state, AT_OFFSET) + length < length)
    multipartFail(state, MULTIPART_TOO_LARGE, p);
  // Each step reads on in its mode; one that stays in its mode without an error wants more bytes.
  while (multipartStatus(state) >= 0) {
    const mode = load<u32>(state, AT_MODE);
    p = step(state, mode, p, end);
    if (load<u32>(state, AT_MODE) == mode) break;
  }
  if (multipartStatus(state) == MULTIPART_MORE && last) {
    const mode = load<u32>(state, AT_MODE);
    if (mode < MODE_CLOSED) multipartFail(state, MULTIPART_UNEXPECTED_END, end);
    else {
      store<i32>(state, MULTIPART_DONE, AT_STATUS);
      p = end;
    }
  }
  const consumed = <u32>(p - data);
  store<u32>(state, load<u32>(state, AT_OFFSET) + consumed, AT_OFFSET);
  return consumed;
}

export function multipartStatus(state: usize): i32 {
  return load<i32>(state, AT_STATUS);
}

/** Body offset of the byte that cannot stand where it stands; 0 where the content type is wrong. */
export function multipartErrorOffset(state: usize): u32 {
  return load<u32>(state, AT_ERROR_OFFSET);
}

/** VALUE_STRING, VALUE_TOO_LONG or VALUE_UNREPRESENTABLE (not UTF-8) of the last part named model. */
export function multipartKind(state: usize): u32 {
  return load<u32>(state, AT_KIND);
}

/** The value's bytes as they stand in the body; valid as long as the state is, and only where its kind is VALUE_STRING. */
export function multipartValue(state: usize): usize {
  return state + AT_VALUE;
}

export function multipartValueLength(state: usize): u32 {
  return load<u32>(state, AT_KIND) == VALUE_STRING ? load<u32>(state, AT_VALUE_LENGTH) : 0;
}

/** Offset in the body of the value's first byte. */
export function multipartValueStart(state: usize): u32 {
  return load<u32>(state, AT_VALUE_START);
}

/** Offset in the body of the byte after the value. */
export function multipartValueEnd(state: usize): u32 {
  return load<u32>(state, AT_VALUE_END);
}

/** Offset in the body of the first delimiter line. */
export function multipartFirst(state: usize): u32 {
  return load<u32>(state, AT_FIRST);
}

function step(state: usize, mode: u32, p: usize, end: usize): usize {
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
      if (p < end) multipartFail(state, MULTIPART_DELIMITER, p);
      return p;
    default:
      return end;
  }
}
