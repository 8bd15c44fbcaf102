// The wanted top-level fields: a table that is built once per configuration, and what a stream's state holds of them.
// Table: header of 16 bytes, then FIELD_BYTES a field: name length, capacity, flags, storage offset, name.
import {
  KEY_BYTES,
  MAX_DEPTH,
  RECORD_BYTES,
  RECORD_END,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_START,
  STATE_CONFIG,
  STATE_RECORDS,
} from "./state";

const MAX_FIELDS: u32 = 20;
export const MAX_FIELD_NAME_BYTES: u32 = KEY_BYTES;
const DEFAULT_DEPTH: u32 = 512;

const TABLE_COUNT = 0;
const TABLE_DEPTH = 4;
const TABLE_FLAGS = 8;
const TABLE_STATE_BYTES = 12;
const TABLE_FIELDS: u32 = 16;
const FIELD_NAME_LENGTH = 0;
const FIELD_CAPACITY = 4;
const FIELD_FLAGS = 8;
const FIELD_STORAGE = 12;
const FIELD_NAME: u32 = 16;
const FIELD_BYTES: u32 = FIELD_NAME + MAX_FIELD_NAME_BYTES;

/** Bytes that a table takes. */
export const FIELDS_BYTES: usize = TABLE_FIELDS + MAX_FIELDS * FIELD_BYTES;

/** Table flag: a wanted field that stands twice is an error; without it the last one wins. */
export const REJECT_DUPLICATES: u32 = 1;
/** Field flag: jsonHashedPointer and jsonHashedLength report the raw bytes of its value. */
export const FIELD_HASHED: u32 = 1;

// What stands in a field. Numbers, true, false, null are captured as written, strings decoded, objects and arrays not.
export const VALUE_ABSENT: u32 = 0;
export const VALUE_STRING: u32 = 1;
export const VALUE_NUMBER: u32 = 2;
export const VALUE_TRUE: u32 = 3;
export const VALUE_FALSE: u32 = 4;
export const VALUE_NULL: u32 = 5;
export const VALUE_OBJECT: u32 = 6;
export const VALUE_ARRAY: u32 = 7;
/** A string or number that does not fit into the field's capacity: no bytes are given. */
export const VALUE_TOO_LONG: u32 = 8;
/** A string with half of a surrogate pair: Python reads it, no UTF-8 can carry it: no bytes are given. */
export const VALUE_UNREPRESENTABLE: u32 = 9;

export function fieldsInit(table: usize, maxDepth: u32, flags: u32): void {
  store<u32>(table, 0, TABLE_COUNT);
  store<u32>(table, maxDepth == 0 ? DEFAULT_DEPTH : min<u32>(maxDepth, MAX_DEPTH), TABLE_DEPTH);
  store<u32>(table, flags, TABLE_FLAGS);
  store<u32>(table, STATE_RECORDS, TABLE_STATE_BYTES);
}

/** Index of the new field (of the old one where the name is known); -1 where the name or the table is too long. */
export function fieldsAdd(table: usize, name: usize, length: u32, capacity: u32, flags: u32): i32 {
  const known = fieldIndex(table, name, length);
  if (known >= 0) return known;
  const count = fieldsCount(table);
  if (count == MAX_FIELDS || length > MAX_FIELD_NAME_BYTES) return -1;
  const field = fieldAt(table, count);
  store<u32>(field, length, FIELD_NAME_LENGTH);
  store<u32>(field, capacity, FIELD_CAPACITY);
  store<u32>(field, flags, FIELD_FLAGS);
  memory.copy(field + FIELD_NAME, name, length);
  store<u32>(table, count + 1, TABLE_COUNT);
  // Storage follows the records, so a new record moves all of it.
  let offset: u32 = STATE_RECORDS + (count + 1) * RECORD_BYTES;
  for (let i: u32 = 0; i <= count; i++) {
    const each = fieldAt(table, i);
    store<u32>(each, offset, FIELD_STORAGE);
    offset += (load<u32>(each, FIELD_CAPACITY) + 7) & ~7;
  }
  store<u32>(table, offset, TABLE_STATE_BYTES);
  return count;
}

/** Bytes of state that a stream needs under this table. */
export function fieldsStateBytes(table: usize): u32 {
  return load<u32>(table, TABLE_STATE_BYTES);
}

export function fieldsCount(table: usize): u32 {
  return load<u32>(table, TABLE_COUNT);
}

export function fieldsDepth(table: usize): u32 {
  return load<u32>(table, TABLE_DEPTH);
}

export function fieldsRejectDuplicates(table: usize): bool {
  return (load<u32>(table, TABLE_FLAGS) & REJECT_DUPLICATES) != 0;
}

export function fieldIndex(table: usize, name: usize, length: u32): i32 {
  const count = fieldsCount(table);
  for (let i: u32 = 0; i < count; i++) {
    const field = fieldAt(table, i);
    if (load<u32>(field, FIELD_NAME_LENGTH) == length && memory.compare(field + FIELD_NAME, name, length) == 0)
      return i;
  }
  return -1;
}

export function fieldCapacity(table: usize, index: u32): u32 {
  return load<u32>(fieldAt(table, index), FIELD_CAPACITY);
}

export function fieldHashed(table: usize, index: u32): bool {
  return (load<u32>(fieldAt(table, index), FIELD_FLAGS) & FIELD_HASHED) != 0;
}

export function fieldKind(state: usize, index: u32): u32 {
  return load<u8>(fieldRecord(state, index), RECORD_KIND);
}

/** Where the decoded string, or the number or literal as written, lies; valid as long as the state is. */
export function fieldBytes(state: usize, index: u32): usize {
  return state + load<u32>(fieldAt(load<u32>(state, STATE_CONFIG), index), FIELD_STORAGE);
}

export function fieldLength(state: usize, index: u32): u32 {
  return load<u32>(fieldRecord(state, index), RECORD_LENGTH);
}

/** Offset in the body of the value's first byte: of the quote where it is a string. */
export function fieldStart(state: usize, index: u32): u32 {
  return load<u32>(fieldRecord(state, index), RECORD_START);
}

/** Offset in the body of the byte after the value. */
export function fieldEnd(state: usize, index: u32): u32 {
  return load<u32>(fieldRecord(state, index), RECORD_END);
}

export function fieldRecord(state: usize, index: u32): usize {
  return state + STATE_RECORDS + index * RECORD_BYTES;
}

function fieldAt(table: usize, index: u32): usize {
  return table + TABLE_FIELDS + index * FIELD_BYTES;
}
