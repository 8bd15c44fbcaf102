// Layout of one stream's multipart state: fixed fields, the delimiter, the captured value. Nothing else is kept between
// windows.

export const MULTIPART_MORE = 0;
export const MULTIPART_DONE = 1;

export const MAX_BOUNDARY_BYTES: u32 = 200;
export const MAX_VALUE_BYTES: u32 = 256;
export const MAX_PREAMBLE_BYTES: u32 = 8192;
export const MAX_HEADERS_BYTES: u32 = 8192;
/** Starlette takes 1000 fields and 1000 files. */
export const MAX_PARTS: u32 = 2000;

/** i32 MULTIPART_MORE, MULTIPART_DONE, or minus an error code. */
export const AT_STATUS = 0;
export const AT_MODE = 4;
/** u32 bytes of the body that earlier windows consumed. */
export const AT_OFFSET = 8;
export const AT_ERROR_OFFSET = 12;
/** u32 body offset of the first delimiter's first hyphen. */
export const AT_FIRST = 16;
export const AT_PARTS = 20;
/** u32 bytes of the open part's header lines so far. */
export const AT_HEADERS = 24;
/** u32 PART_ flags of the open part. */
export const AT_PART = 28;
/** u32 LINE_ value: what stands before the next byte of the preamble. */
export const AT_LINE = 32;
/** u32 KIND_ value of the last part named model that was closed. */
export const AT_KIND = 36;
export const AT_VALUE_LENGTH = 40;
export const AT_VALUE_START = 44;
export const AT_VALUE_END = 48;
/** u32 bytes of the delimiter without the line end before it. */
export const AT_DELIMITER_LENGTH = 52;
/** usize start of the window that is being read. */
export const AT_WINDOW = 56;
/** "--" and the boundary. */
export const AT_DELIMITER = 64;
export const AT_VALUE: u32 = AT_DELIMITER + 2 + MAX_BOUNDARY_BYTES + 6;

/** Bytes of state that a stream needs. */
export const MULTIPART_STATE_BYTES: u32 = AT_VALUE + MAX_VALUE_BYTES;

// Grammar positions between windows.
export const MODE_PREAMBLE: u32 = 0;
export const MODE_HEADERS: u32 = 1;
/** At a part's first byte. */
export const MODE_BEGIN: u32 = 2;
export const MODE_DATA: u32 = 3;
/** Behind the closing delimiter, in its line. */
export const MODE_CLOSED: u32 = 4;
/** Behind a bare line feed after the closing delimiter: only the end may follow. */
export const MODE_LAST_LINE: u32 = 5;
export const MODE_EPILOGUE: u32 = 6;

export const LINE_START: u32 = 0;
export const LINE_INSIDE: u32 = 1;
export const LINE_RETURN: u32 = 2;

export const PART_DISPOSITION: u32 = 1;
export const PART_MODEL: u32 = 2;
export const PART_FILE: u32 = 4;
/** A transfer encoding, charset or extended parameter under which servers read different text. */
export const PART_ENCODED: u32 = 8;
/** A charset that agrees with UTF-8 on ASCII only. */
export const PART_ASCII: u32 = 16;

/** Body offset of the byte at `p`. */
export function multipartOffset(state: usize, p: usize): u32 {
  return load<u32>(state, AT_OFFSET) + <u32>(p - load<usize>(state, AT_WINDOW));
}

/** Sets the status and where the body is wrong; the same pointer, to be returned. */
export function multipartFail(state: usize, code: i32, p: usize): usize {
  store<i32>(state, -code, AT_STATUS);
  store<u32>(state, multipartOffset(state, p), AT_ERROR_OFFSET);
  return p;
}
