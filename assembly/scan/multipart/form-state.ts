// What the scanner keeps of one form between windows: a FormState, the delimiter, and the value of the part named model.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";

@unmanaged
export class FormState {
  /** MULTIPART_MORE, MULTIPART_DONE, or minus an error code. */
  status: i32 = 0;
  /** A MODE_ value. */
  mode: u32 = 0;
  /** Bytes of the body that earlier windows consumed. */
  offset: u32 = 0;
  errorOffset: u32 = 0;
  /** Body offset of the first delimiter's first hyphen. */
  first: u32 = 0;
  /** Parts that began so far. */
  parts: u32 = 0;
  /** Bytes of the open part's header lines so far. */
  headers: u32 = 0;
  /** PART_ flags of the open part. */
  part: u32 = 0;
  /** A LINE_ value: what stands before the next byte of the preamble. */
  line: u32 = 0;
  /** A VALUE_ kind: of the last part named model that was closed. */
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
  /** Sets the status and where the body is wrong. Returns `p`, for the caller to return. */
  fail(code: i32, p: usize): usize {
    this.status = -code;
    this.errorOffset = this.offsetOf(p);
    return p;
  }
}

export const MULTIPART_MORE = 0;
export const MULTIPART_DONE = 1;

export const MAX_BOUNDARY_BYTES: u32 = 200;
/** A longer value names no model of a snapshot. */
export const MAX_VALUE_BYTES: u32 = MAX_MODEL_NAME_BYTES;
export const MAX_PREAMBLE_BYTES: u32 = 8192;
export const MAX_HEADERS_BYTES: u32 = 8192;
/** Starlette takes 1000 fields and 1000 files. */
export const MAX_PARTS: u32 = 2000;

const DELIMITER: u32 = offsetof<FormState>();
const VALUE: u32 = DELIMITER + 2 + MAX_BOUNDARY_BYTES;

/** Bytes of state that a body needs. */
export const MULTIPART_STATE_BYTES: u32 = VALUE + MAX_VALUE_BYTES;

// Modes: positions in the grammar.
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
