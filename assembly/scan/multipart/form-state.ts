// The scanner's memory of one form between windows: a FormState, the delimiter, and the value of the part named model.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";

@unmanaged
export class FormState {
  /** MULTIPART_MORE, MULTIPART_DONE, or minus an error code (form-errors.ts). */
  status: i32 = 0;
  /** A MODE_ value. */
  mode: u32 = 0;
  /** Bytes of the body that earlier windows consumed. */
  offset: u32 = 0;
  errorOffset: u32 = 0;
  /** Body offset of the first delimiter's first hyphen. */
  first: u32 = 0;
  /** Number of parts that have begun. */
  parts: u32 = 0;
  /** Bytes of the open part's header lines so far. */
  headers: u32 = 0;
  /** PART_ flags of the open part. */
  part: u32 = 0;
  /** A LINE_ value: which bytes precede the next byte of the preamble. */
  line: u32 = 0;
  /** The VALUE_ kind of the last closed part named model. */
  kind: u32 = 0;
  valueLength: u32 = 0;
  /** Body offsets of the value's first byte and of the byte behind it. */
  valueStart: u32 = 0;
  valueEnd: u32 = 0;
  /** Bytes of the delimiter, without the line end before it. */
  delimiterLength: u32 = 0;
  /** Start of the window that is being read. */
  window: usize = 0;

  /** "--" and the boundary. */
  get delimiter(): usize {
    return changetype<usize>(this) + DELIMITER;
  }
  get value(): usize {
    return changetype<usize>(this) + VALUE;
  }
  /** Body offset of the byte at `p`. */
  offsetOf(p: usize): u32 {
    return this.offset + <u32>(p - this.window);
  }
  /** Sets the status to an error, and keeps `p` as the wrong byte. Returns `p`, for the caller to return. */
  fail(code: i32, p: usize): usize {
    this.status = -code;
    this.errorOffset = this.offsetOf(p);
    return p;
  }
}

export const MULTIPART_MORE = 0;
export const MULTIPART_DONE = 1;

export const MAX_BOUNDARY_BYTES: u32 = 200;
/** Limit of the captured value. A longer value names no model of a snapshot. */
export const MAX_VALUE_BYTES: u32 = MAX_MODEL_NAME_BYTES;
export const MAX_PREAMBLE_BYTES: u32 = 8192;
export const MAX_HEADERS_BYTES: u32 = 8192;
/** Starlette accepts 1000 fields and 1000 files. */
export const MAX_PARTS: u32 = 2000;

const DELIMITER: u32 = offsetof<FormState>();
const VALUE: u32 = DELIMITER + 2 + MAX_BOUNDARY_BYTES;

/** Bytes of state that a body needs. */
export const MULTIPART_STATE_BYTES: u32 = VALUE + MAX_VALUE_BYTES;

// Modes: positions in the grammar (multipart.ts).
export const MODE_PREAMBLE: u32 = 0;
export const MODE_HEADERS: u32 = 1;
/** The next byte is a part's first byte. */
export const MODE_BEGIN: u32 = 2;
export const MODE_DATA: u32 = 3;
/** The scanner is behind the closing delimiter, in its line. */
export const MODE_CLOSED: u32 = 4;
/** The scanner is behind a bare line feed after the closing delimiter. The body must end here. */
export const MODE_LAST_LINE: u32 = 5;
export const MODE_EPILOGUE: u32 = 6;

export const LINE_START: u32 = 0;
export const LINE_INSIDE: u32 = 1;
export const LINE_RETURN: u32 = 2;

export const PART_DISPOSITION: u32 = 1;
export const PART_MODEL: u32 = 2;
export const PART_FILE: u32 = 4;
/** The part has a transfer encoding, charset or extended parameter with which servers read different texts. */
export const PART_ENCODED: u32 = 8;
/** The part has a charset that agrees with UTF-8 on ASCII only. */
export const PART_ASCII: u32 = 16;
