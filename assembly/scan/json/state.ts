// Layout of one stream's scanner state: fixed fields, key buffer, bracket stack, then a record per wanted field,
// then the bytes that the fields capture. Nothing else is kept between windows.

/** i32 STATUS_ value, or minus an error code. */
export const STATE_STATUS = 0;
export const STATE_MODE = 4;
/** u32 open brackets. */
export const STATE_DEPTH = 8;
/** i32 the field whose value comes next or is being read at depth 1; -1 none. */
export const STATE_WANTED = 12;
/** i32 the field whose value is the object or array now open at depth 1; -1 none. */
export const STATE_OUTER = 16;
/** u32 bytes of the body that earlier windows consumed. */
export const STATE_OFFSET = 20;
export const STATE_ERROR_OFFSET = 24;
export const STATE_CONFIG = 28;
/** u64 one bit per open bracket, the innermost lowest, 1 an object; older words lie in STATE_STACK. */
export const STATE_BRACKETS = 32;
export const STATE_NUMBER = 40;
/** u32 digits of the integer part so far. */
export const STATE_DIGITS = 44;
/** u32 body offset of the number being read. */
export const STATE_NUMBER_START = 48;
/** u32 a high surrogate whose low half may follow; 0 none. */
export const STATE_SURROGATE = 52;
/** u32 CAPTURE_ flags of the string being captured. */
export const STATE_CAPTURE = 56;
export const STATE_KEY_LENGTH = 60;
export const STATE_KEY_START = 64;
/** usize, u32: the part of the last window that lies in a hashed field's value. */
export const STATE_HASHED_POINTER = 68;
export const STATE_HASHED_LENGTH = 72;
/** u32 1 while a hashed field's value is open. */
export const STATE_HASHING = 76;
/** u32 one bit per wanted field that was seen. */
export const STATE_SEEN = 80;
/** usize start of the window that is being read. */
export const STATE_WINDOW = 84;
export const STATE_KEY = 96;
export const KEY_BYTES: u32 = 64;
export const STATE_STACK = 160;
export const MAX_DEPTH: u32 = 1024;
// The stack's word of depth 64 n lies at STATE_STACK + 8 n; the last 64 brackets are in STATE_BRACKETS.
export const STATE_RECORDS: u32 = 288;

export const RECORD_BYTES: u32 = 16;
/** u8 KIND_ value. */
export const RECORD_KIND = 0;
/** u32, u32 where the value stands in the body, quotes and brackets included. */
export const RECORD_START = 4;
export const RECORD_END = 8;
/** u32 bytes captured. */
export const RECORD_LENGTH = 12;

export const CAPTURE_TOO_LONG: u32 = 1;
export const CAPTURE_LONE_SURROGATE: u32 = 2;

// Grammar positions between windows.
export const MODE_KEY_OR_CLOSE: u32 = 0;
export const MODE_KEY: u32 = 1;
export const MODE_COLON: u32 = 2;
export const MODE_VALUE_OR_CLOSE: u32 = 3;
export const MODE_VALUE: u32 = 4;
export const MODE_AFTER: u32 = 5;
/** From here on: inside a token. */
export const MODE_IN_KEY: u32 = 6;
export const MODE_IN_STRING: u32 = 7;
export const MODE_IN_NUMBER: u32 = 8;
export const MODE_START: u32 = 9;

/** More of the body is needed. */
export const STATUS_MORE = 0;
/** The whole body was read and is a JSON object. */
export const STATUS_DONE = 1;
/** A hashed field's value ended inside the window: feed the rest of the same window. */
export const STATUS_PAUSED = 2;
