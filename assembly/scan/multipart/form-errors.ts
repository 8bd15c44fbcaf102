// The reasons why a multipart/form-data body is refused. Each has a stable code and a sentence for the 400. Counters and tests use
// the codes, so append new codes and never renumber.

import { MAX_HEADERS_BYTES, MAX_PARTS, MAX_PREAMBLE_BYTES } from "./form-state";

export const MULTIPART_TYPE = 1;
export const MULTIPART_BOUNDARY = 2;
/** The server would decode names and values by this charset. */
export const MULTIPART_CHARSET = 3;
export const MULTIPART_PREAMBLE = 4;
export const MULTIPART_DELIMITER = 5;
export const MULTIPART_BARE = 6;
export const MULTIPART_UNEXPECTED_END = 7;
export const MULTIPART_HEADER = 8;
export const MULTIPART_HEADERS_TOO_LONG = 9;
export const MULTIPART_PARTS = 10;
export const MULTIPART_DISPOSITION = 11;
export const MULTIPART_NO_DISPOSITION = 12;
export const MULTIPART_MODEL_FILE = 13;
export const MULTIPART_MODEL_ENCODED = 14;
export const MULTIPART_TOO_LARGE = 15;

export function multipartSentence(code: i32): string {
  switch (code) {
    case MULTIPART_TYPE:
      return "the content type is not multipart/form-data with well-formed parameters";
    case MULTIPART_BOUNDARY:
      return "the content type needs one boundary of 1 to 200 printable ASCII characters";
    case MULTIPART_CHARSET:
      return "the content type names a charset other than UTF-8";
    case MULTIPART_PREAMBLE:
      return `the first ${MAX_PREAMBLE_BYTES} bytes have no delimiter line`;
    case MULTIPART_DELIMITER:
      return "a delimiter must begin a line and end with CR LF, or with '--' if it is the last delimiter";
    case MULTIPART_BARE:
      return "a delimiter inside a part must follow CR LF";
    case MULTIPART_UNEXPECTED_END:
      return "the body ends before the closing delimiter";
    case MULTIPART_HEADER:
      return "a part's header lines must be 'Name: value', end with CR LF and hold no control characters";
    case MULTIPART_HEADERS_TOO_LONG:
      return `the header lines of a part are longer than ${MAX_HEADERS_BYTES} bytes`;
    case MULTIPART_PARTS:
      return `the body has more than ${MAX_PARTS} parts`;
    case MULTIPART_DISPOSITION:
      return "a part's Content-Disposition must be form-data with one name and well-formed parameters";
    case MULTIPART_NO_DISPOSITION:
      return "a part has no Content-Disposition";
    case MULTIPART_MODEL_FILE:
      return "the part named model is a file; send it without a filename";
    case MULTIPART_MODEL_ENCODED:
      return "the part named model must be plain UTF-8 text, without a transfer encoding or another charset";
    case MULTIPART_TOO_LARGE:
      return "the body is larger than 4 GiB";
    default:
      return "the body is not valid multipart/form-data";
  }
}
