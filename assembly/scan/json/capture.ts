// What is kept of a body: the top-level key being read, and the values of wanted fields. Off the hot path: called at
// depth 1 only, and for values only where the key is wanted.
import { decodeFlush, decodeSegment, decodeStart } from "./escapes";
import {
  fieldBytes,
  fieldCapacity,
  fieldHashed,
  fieldIndex,
  fieldRecord,
  fieldsRejectDuplicates,
  VALUE_STRING,
  VALUE_TOO_LONG,
  VALUE_UNREPRESENTABLE,
} from "./fields";
import {
  CAPTURE_TOO_LONG,
  KEY_BYTES,
  RECORD_END,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_START,
  STATE_CAPTURE,
  STATE_CONFIG,
  STATE_HASHED_LENGTH,
  STATE_HASHED_POINTER,
  STATE_HASHING,
  STATE_KEY,
  STATE_KEY_LENGTH,
  STATE_KEY_START,
  STATE_OFFSET,
  STATE_SEEN,
  STATE_WANTED,
  STATE_WINDOW,
} from "./state";

export function bodyOffset(state: usize, p: usize): u32 {
  return load<u32>(state, STATE_OFFSET) + <u32>(p - load<usize>(state, STATE_WINDOW));
}

/** At a top-level key's first quote. */
export function keyBegin(state: usize, p: usize): void {
  store<u32>(state, bodyOffset(state, p), STATE_KEY_START);
  store<u32>(state, 0, STATE_KEY_LENGTH);
  decodeStart(state);
}

export function keySegment(state: usize, from: usize, to: usize): void {
  const length = load<u32>(state, STATE_KEY_LENGTH);
  store<u32>(state, decodeSegment(state, state + STATE_KEY, length, KEY_BYTES, from, to), STATE_KEY_LENGTH);
}

/** Tells whether the key is wanted; false where it may not stand twice and does. */
export function keyEnd(state: usize): bool {
  const length = decodeFlush(state, state + STATE_KEY, load<u32>(state, STATE_KEY_LENGTH), KEY_BYTES);
  const table = load<usize>(state, STATE_CONFIG);
  // A key that is too long or no Unicode equals no name.
  const index = load<u32>(state, STATE_CAPTURE) == 0 ? fieldIndex(table, state + STATE_KEY, length) : -1;
  store<i32>(state, index, STATE_WANTED);
  if (index < 0) return true;
  const seen = load<u32>(state, STATE_SEEN);
  store<u32>(state, seen | (1 << index), STATE_SEEN);
  return (seen & (1 << index)) == 0 || !fieldsRejectDuplicates(table);
}

/** At a wanted value's first byte. Forgets what an earlier member of the same name left: the last wins. */
export function valueBegin(state: usize, index: u32, p: usize, kind: u32): void {
  const record = fieldRecord(state, index);
  store<u8>(record, kind, RECORD_KIND);
  store<u32>(record, bodyOffset(state, p), RECORD_START);
  store<u32>(record, 0, RECORD_END);
  store<u32>(record, 0, RECORD_LENGTH);
  decodeStart(state);
  if (fieldHashed(load<usize>(state, STATE_CONFIG), index)) {
    store<u32>(state, 1, STATE_HASHING);
    store<usize>(state, p, STATE_HASHED_POINTER);
  }
}

export function valueSegment(state: usize, index: u32, from: usize, to: usize): void {
  const capacity = fieldCapacity(load<usize>(state, STATE_CONFIG), index);
  if (capacity == 0) return;
  const record = fieldRecord(state, index);
  const length = load<u32>(record, RECORD_LENGTH);
  store<u32>(record, decodeSegment(state, fieldBytes(state, index), length, capacity, from, to), RECORD_LENGTH);
}

/** Appends bytes as written. */
export function valueRaw(state: usize, index: u32, from: usize, to: usize): void {
  const capacity = fieldCapacity(load<usize>(state, STATE_CONFIG), index);
  if (capacity == 0) return;
  const record = fieldRecord(state, index);
  const length = load<u32>(record, RECORD_LENGTH);
  const size = <u32>(to - from);
  if (size > capacity - length) {
    store<u32>(state, CAPTURE_TOO_LONG, STATE_CAPTURE);
    return;
  }
  memory.copy(fieldBytes(state, index) + length, from, size);
  store<u32>(record, length + size, RECORD_LENGTH);
}

/** At the byte after a wanted value; whether the caller must hear of its end before anything else is read. */
export function valueEnd(state: usize, index: u32, p: usize): bool {
  const record = fieldRecord(state, index);
  const table = load<usize>(state, STATE_CONFIG);
  store<u32>(record, bodyOffset(state, p), RECORD_END);
  if (load<u8>(record, RECORD_KIND) == VALUE_STRING) {
    const length = load<u32>(record, RECORD_LENGTH);
    store<u32>(
      record,
      decodeFlush(state, fieldBytes(state, index), length, fieldCapacity(table, index)),
      RECORD_LENGTH,
    );
  }
  const flags = load<u32>(state, STATE_CAPTURE);
  if (flags != 0) {
    store<u8>(record, flags & CAPTURE_TOO_LONG ? VALUE_TOO_LONG : VALUE_UNREPRESENTABLE, RECORD_KIND);
    store<u32>(record, 0, RECORD_LENGTH);
  }
  if (!fieldHashed(table, index)) return false;
  store<u32>(state, 0, STATE_HASHING);
  store<u32>(state, <u32>(p - load<usize>(state, STATE_HASHED_POINTER)), STATE_HASHED_LENGTH);
  return true;
}
