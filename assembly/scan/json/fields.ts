// The wanted top-level fields: their table, which is built once for each configuration, and accessors of their values in a body.
import { FieldRecord, KEY_BYTES, MAX_DEPTH, ScanState, stateBytes } from "./scan-state";

const MAX_FIELDS: u32 = 20;
/** Limit of a field's name. A longer key equals no field's name, so a key is captured only up to this length. */
export const MAX_FIELD_NAME_BYTES: u32 = KEY_BYTES;
const DEFAULT_DEPTH: u32 = 512;

/** The head of a table. The fields follow it in memory. */
@unmanaged
class FieldTable {
  count: u32 = 0;
  /** Deepest nesting that the scanner accepts. */
  maxDepth: u32 = 0;
  /** REJECT_DUPLICATES, or 0. */
  flags: u32 = 0;
  /** Bytes of state that a body needs. */
  stateBytes: u32 = 0;

  field(index: u32): Field {
    return changetype<Field>(changetype<usize>(this) + offsetof<FieldTable>() + index * FIELD_BYTES);
  }
}

/** A field of a table. Its name follows it in memory. */
@unmanaged
class Field {
  nameLength: u32 = 0;
  /** Limit of the captured bytes of the value. */
  capacity: u32 = 0;
  /** FIELD_HASHED, or 0. */
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

/** Flag of a table: a body that has a wanted field twice is refused. Without the flag the last value wins. */
export const REJECT_DUPLICATES: u32 = 1;
/** Flag of a field: jsonHashedPointer and jsonHashedLength report the raw bytes of its value. */
export const FIELD_HASHED: u32 = 1;

// Kinds of values. Strings are captured decoded, numbers, true, false and null unchanged. Objects and arrays are not captured.
export const VALUE_ABSENT: u32 = 0;
export const VALUE_STRING: u32 = 1;
export const VALUE_NUMBER: u32 = 2;
export const VALUE_TRUE: u32 = 3;
export const VALUE_FALSE: u32 = 4;
export const VALUE_NULL: u32 = 5;
export const VALUE_OBJECT: u32 = 6;
export const VALUE_ARRAY: u32 = 7;
/** A string or number that is longer than the field's capacity. Its bytes are not available. */
export const VALUE_TOO_LONG: u32 = 8;
/** A string with half of a surrogate pair. Python reads it, but UTF-8 cannot encode it. Its bytes are not available. */
export const VALUE_UNREPRESENTABLE: u32 = 9;

/** Begins an empty table in the FIELDS_BYTES bytes at `table`. A `maxDepth` of 0 stands for the default. */
export function fieldsInit(table: usize, maxDepth: u32, flags: u32): void {
  const fields = changetype<FieldTable>(table);
  fields.count = 0;
  fields.maxDepth = maxDepth == 0 ? DEFAULT_DEPTH : min<u32>(maxDepth, MAX_DEPTH);
  fields.flags = flags;
  fields.stateBytes = stateBytes(0);
}

/** Adds a field, or finds the field with this name, and returns its index; -1 if the name is too long or the table is full. */
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
  // The captured bytes follow the records. So a new record changes the offsets of all captured bytes.
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

/** Index of the field with this name; -1 if no field has it. */
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

// The following functions read the state of a body. jsonInit() must have been called on the state.

/** The VALUE_ kind of the field's value. */
export function fieldKind(state: usize, index: u32): u32 {
  return recordOf(state, index).kind;
}

/** Address of the captured bytes: a decoded string, or an unchanged number or literal. Valid as long as the state. */
export function fieldBytes(state: usize, index: u32): usize {
  return state + changetype<FieldTable>(changetype<ScanState>(state).table).field(index).storage;
}

export function fieldLength(state: usize, index: u32): u32 {
  return recordOf(state, index).length;
}

/** Offset in the body of the value's first byte. The first byte of a string is its quote. */
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
