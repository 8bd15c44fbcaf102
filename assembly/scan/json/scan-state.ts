// The scanner's memory of one body between windows: a ScanState, the bytes of the top-level key that is being read, the stack of
// brackets, a FieldRecord for each wanted field, and the captured bytes of the fields.

@unmanaged
export class ScanState {
  /** A STATUS_ value, or minus an error code. */
  status: i32 = 0;
  /** A MODE_ value. */
  mode: u32 = 0;
  /** Number of open brackets. */
  depth: u32 = 0;
  /** Index of the field whose value comes next or is being read, at depth 1; -1 if there is no such field. */
  wanted: i32 = 0;
  /** Index of the field whose value is the object or array that is open at depth 1; -1 if there is no such field. */
  outer: i32 = 0;
  /** Bytes of the body that earlier windows consumed. */
  offset: u32 = 0;
  errorOffset: u32 = 0;
  /** The wanted fields: a FieldTable (fields.ts). */
  table: usize = 0;
  /** A bit for each open bracket; the innermost bracket has the lowest bit. 1 is an object. Older brackets are on the stack. */
  brackets: u64 = 0;
  /** State of the automaton that reads a number byte by byte (numbers.ts). */
  number: u32 = 0;
  /** Number of digits of the number's integer part so far. */
  digits: u32 = 0;
  /** Body offset of the number's first byte. */
  numberStart: u32 = 0;
  /** A high surrogate whose low half may follow; 0 if there is none. */
  surrogate: u32 = 0;
  /** CAPTURE_ flags of the string that is being captured. */
  capture: u32 = 0;
  keyLength: u32 = 0;
  /** Body offset of the top-level key. */
  keyStart: u32 = 0;
  /** The part of the last window that lies in a hashed field's value. */
  hashedPointer: usize = 0;
  hashedLength: u32 = 0;
  /** 1 while a hashed field's value is open. */
  hashing: u32 = 0;
  /** A bit for each wanted field that was seen. */
  seen: u32 = 0;
  /** Start of the window that is being read. */
  window: usize = 0;

  /** Address of the top-level key, which has room for KEY_BYTES. */
  get key(): usize {
    return changetype<usize>(this) + KEY;
  }
  /** The 64 brackets below depth 64 n lie at `stack` + 8 n. The innermost brackets are in `brackets`. */
  get stack(): usize {
    return changetype<usize>(this) + STACK;
  }
  record(index: u32): FieldRecord {
    return changetype<FieldRecord>(changetype<usize>(this) + RECORDS + index * offsetof<FieldRecord>());
  }
}

/** The value of a wanted field in the body. */
@unmanaged
export class FieldRecord {
  /** A VALUE_ kind (fields.ts). */
  kind: u32 = 0;
  /** Body offsets of the value's first byte and of the byte behind it; quotes and brackets belong to the value. */
  start: u32 = 0;
  end: u32 = 0;
  /** Number of captured bytes. */
  length: u32 = 0;
}

export const KEY_BYTES: u32 = 64;
export const MAX_DEPTH: u32 = 1024;

const KEY: u32 = offsetof<ScanState>();
const STACK: u32 = KEY + KEY_BYTES;
/** Offset of the field records. The stack before them has a bit for each bracket. */
const RECORDS: u32 = STACK + MAX_DEPTH / 8;

/** Bytes of the state before the captured bytes, for this number of wanted fields. */
export function stateBytes(fields: u32): u32 {
  return RECORDS + fields * offsetof<FieldRecord>();
}

/** Clears the state. The key, the stack and the captured bytes are not cleared, because they are written before they are read. */
export function clearState(state: ScanState, fields: u32): void {
  memory.fill(changetype<usize>(state), 0, offsetof<ScanState>());
  memory.fill(changetype<usize>(state.record(0)), 0, fields * offsetof<FieldRecord>());
}

// Flags of a capture.
export const CAPTURE_TOO_LONG: u32 = 1;
export const CAPTURE_LONE_SURROGATE: u32 = 2;

// Modes: positions in the grammar.
export const MODE_KEY_OR_CLOSE: u32 = 0;
export const MODE_KEY: u32 = 1;
export const MODE_COLON: u32 = 2;
export const MODE_VALUE_OR_CLOSE: u32 = 3;
export const MODE_VALUE: u32 = 4;
export const MODE_AFTER: u32 = 5;
/** From this mode on, the scanner is inside a token, or before the object. */
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
