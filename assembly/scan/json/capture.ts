// Captures parts of a body: the top-level key that is being read, and the values of wanted fields. Capturing is off the hot path:
// keys are captured at depth 1 only, and values only if their key is wanted.
import { decodeFlush, decodeSegment, decodeStart } from "./escapes";
import {
  fieldBytes,
  fieldCapacity,
  fieldHashed,
  fieldIndex,
  fieldsRejectDuplicates,
  VALUE_STRING,
  VALUE_TOO_LONG,
  VALUE_UNREPRESENTABLE,
} from "./fields";
import { CAPTURE_TOO_LONG, KEY_BYTES, ScanState } from "./scan-state";

/** Offset in the body of the byte at `p`. */
export function bodyOffset(state: ScanState, p: usize): u32 {
  return state.offset + <u32>(p - state.window);
}

/** Begins to capture a top-level key. `p` is its first quote. */
export function keyBegin(state: ScanState, p: usize): void {
  state.keyStart = bodyOffset(state, p);
  state.keyLength = 0;
  decodeStart(state);
}

export function keySegment(state: ScanState, from: usize, to: usize): void {
  const length = state.keyLength;
  state.keyLength = decodeSegment(state, state.key, length, KEY_BYTES, from, to);
}

/** Looks the key up and sets `wanted`. False if the body has the field twice although the table forbids duplicates. */
export function keyEnd(state: ScanState): bool {
  const length = decodeFlush(state, state.key, state.keyLength, KEY_BYTES);
  const table = state.table;
  // A key that is too long or has a lone surrogate equals no field's name.
  const index = state.capture == 0 ? fieldIndex(table, state.key, length) : -1;
  state.wanted = index;
  if (index < 0) return true;
  const seen = state.seen;
  state.seen = seen | (1 << index);
  return (seen & (1 << index)) == 0 || !fieldsRejectDuplicates(table);
}

/** Begins to capture a wanted value at its first byte `p`. A former value of the same name is overwritten: the last one wins. */
export function valueBegin(state: ScanState, index: u32, p: usize, kind: u32): void {
  const record = state.record(index);
  record.kind = kind;
  record.start = bodyOffset(state, p);
  record.end = 0;
  record.length = 0;
  decodeStart(state);
  if (fieldHashed(state.table, index)) {
    state.hashing = 1;
    state.hashedPointer = p;
  }
}

/** Appends a segment of a string, decoded. */
export function valueSegment(state: ScanState, index: u32, from: usize, to: usize): void {
  const capacity = fieldCapacity(state.table, index);
  if (capacity == 0) return;
  const record = state.record(index);
  const length = record.length;
  record.length = decodeSegment(state, fieldBytes(changetype<usize>(state), index), length, capacity, from, to);
}

/** Appends bytes of a number or literal unchanged. */
export function valueRaw(state: ScanState, index: u32, from: usize, to: usize): void {
  const capacity = fieldCapacity(state.table, index);
  if (capacity == 0) return;
  const record = state.record(index);
  const length = record.length;
  const size = <u32>(to - from);
  if (size > capacity - length) {
    state.capture = CAPTURE_TOO_LONG;
    return;
  }
  memory.copy(fieldBytes(changetype<usize>(state), index) + length, from, size);
  record.length = length + size;
}

/** Ends the capture of a wanted value; `p` is the byte behind the value. True: the value is hashed, so the scanner must pause. */
export function valueEnd(state: ScanState, index: u32, p: usize): bool {
  const record = state.record(index);
  const table = state.table;
  record.end = bodyOffset(state, p);
  if (record.kind == VALUE_STRING) {
    const length = record.length;
    record.length = decodeFlush(
      state,
      fieldBytes(changetype<usize>(state), index),
      length,
      fieldCapacity(table, index),
    );
  }
  const flags = state.capture;
  if (flags != 0) {
    record.kind = flags & CAPTURE_TOO_LONG ? VALUE_TOO_LONG : VALUE_UNREPRESENTABLE;
    record.length = 0;
  }
  if (!fieldHashed(table, index)) return false;
  state.hashing = 0;
  state.hashedLength = <u32>(p - state.hashedPointer);
  return true;
}
