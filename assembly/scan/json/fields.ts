// The wanted top-level fields: a table that is built once for each configuration, and what was found of them in a body.
import { FieldRecord, KEY_BYTES, MAX_DEPTH, ScanState, stateBytes } from "./scan-state";

const MAX_FIELDS: u32 = 20;
/** A longer key equals no field's name, and is captured only so far. */
export const MAX_FIELD_NAME_BYTES: u32 = KEY_BYTES;
const DEFAULT_DEPTH: u32 = 512;

/** The fields follow it. */
@unmanaged
class FieldTable {
  count: u32 = 0;
  /** Deeper nesting is refused. */
  maxDepth: u32 = 0;
  /** REJECT_DUPLICATES. */
  flags: u32 = 0;
  /** Bytes of state that a body needs. */
  stateBytes: u32 = 0;

  field(index: u32): Field {
    return changetype<Field>(changetype<usize>(this) + offsetof<FieldTable>() + index * FIELD_BYTES);
  }
}

/** The name follows it. */
@unmanaged
class Field {
  nameLength: u32 = 0;
  /** Bytes of the value that are captured at most. */
  capacity: u32 = 0;
  /** FIELD_HASHED. */
  flags: u32 = 0;
  /** Offset of the captured bytes in the state. */
  storage: u32 = 0;

  get name(): usize {
    return changetype<usize>(this) + offsetof<Field>();
  }
}

const FIELD_BYTES: u32 = offsetof<Field>() + MAX_FIELD_NAME_BYTES;

/** Bytes of a table. */
export const FIELDS_BYTES: usize = offsetof<FieldTable>() + MAX_FIELDS * FIELD_BYTES;

/** Flag of a table: a wanted field that stands twice is an error. Without it the last one wins. */
export const REJECT_DUPLICATES: u32 = 1;
/** Flag of a field: jsonHashedPointer and jsonHashedLength report the raw bytes of its value. */
export const FIELD_HASHED: u32 = 1;

// What a field is. Strings are captured decoded; numbers, true, false and null as written; objects and arrays not at all.
export const VALUE_ABSENT: u32 = 0;
export const VALUE_STRING: u32 = 1;
export const VALUE_NUMBER: u32 = 2;
export const VALUE_TRUE: u32 = 3;
export const VALUE_FALSE: u32 = 4;
export const VALUE_NULL: u32 = 5;
export const VALUE_OBJECT: u32 = 6;
export const VALUE_ARRAY: u32 = 7;
/** A string or number that is longer than the field's capacity: no bytes are given. */
export const VALUE_TOO_LONG: u32 = 8;
/** A string with half of a surrogate pair. Python reads it, but UTF-8 cannot carry it: no bytes are given. */
export const VALUE_UNREPRESENTABLE: u32 = 9;

/** `table` has FIELDS_BYTES. A `maxDepth` of 0 is the default. */
export function fieldsInit(table: usize, maxDepth: u32, flags: u32): void {
  const fields = changetype<FieldTable>(table);
  fields.count = 0;
  fields.maxDepth = maxDepth == 0 ? DEFAULT_DEPTH : min<u32>(maxDepth, MAX_DEPTH);
  fields.flags = flags;
  fields.stateBytes = stateBytes(0);
}

/** Index of the new field, or of the old field with this name; -1 if the name is too long or the table is full. */
export function fieldsAdd(table: usize, name: usize, length: u32, capacity: u32, flags: u32): i32 {
  const known = fieldIndex(table, name, length);
  if (known >= 0) return known;
  const fields = changetype<FieldTable>(table);
  const count = fields.count;
  if (count == MAX_FIELDS || length > MAX_FIELD_NAME_BYTES) return -1;
  const field = fields.field(count);
  field.nameLength = length;
  field.capacity = capacity;
  field.flags = flags;
  memory.copy(field.name, name, length);
  fields.count = count + 1;
  // The captured bytes follow the records, so a new record moves all of them.
  let offset = stateBytes(count + 1);
  for (let i: u32 = 0; i <= count; i++) {
    const each = fields.field(i);
    each.storage = offset;
    offset += (each.capacity + 7) & ~7;
  }
  fields.stateBytes = offset;
  return count;
}

/** Bytes of state that a body needs under this table. */
export function fieldsStateBytes(table: usize): u32 {
  return changetype<FieldTable>(table).stateBytes;
}

export function fieldsCount(table: usize): u32 {
  return changetype<FieldTable>(table).count;
}

export function fieldsDepth(table: usize): u32 {
  return changetype<FieldTable>(table).maxDepth;
}

export function fieldsRejectDuplicates(table: usize): bool {
  return (changetype<FieldTable>(table).flags & REJECT_DUPLICATES) != 0;
}

/** -1 if no field has this name. */
export function fieldIndex(table: usize, name: usize, length: u32): i32 {
  const fields = changetype<FieldTable>(table);
  const count = fields.count;
  for (let i: u32 = 0; i < count; i++) {
    const field = fields.field(i);
    if (field.nameLength == length && memory.compare(field.name, name, length) == 0) return i;
  }
  return -1;
}

export function fieldCapacity(table: usize, index: u32): u32 {
  return changetype<FieldTable>(table).field(index).capacity;
}

export function fieldHashed(table: usize, index: u32): bool {
  return (changetype<FieldTable>(table).field(index).flags & FIELD_HASHED) != 0;
}

// What follows takes the state of a body that jsonInit() was called on.

/** A VALUE_ kind. */
export function fieldKind(state: usize, index: u32): u32 {
  return recordOf(state, index).kind;
}

/** Where the captured bytes lie: a decoded string, a number or literal as written. Valid as long as the state is. */
export function fieldBytes(state: usize, index: u32): usize {
  return state + changetype<FieldTable>(changetype<ScanState>(state).table).field(index).storage;
}

export function fieldLength(state: usize, index: u32): u32 {
  return recordOf(state, index).length;
}

/** Offset in the body of the value's first byte; of a string, that is the quote. */
export function fieldStart(state: usize, index: u32): u32 {
  return recordOf(state, index).start;
}

/** Offset in the body of the byte behind the value. */
export function fieldEnd(state: usize, index: u32): u32 {
  return recordOf(state, index).end;
}

function recordOf(state: usize, index: u32): FieldRecord {
  return changetype<ScanState>(state).record(index);
}
