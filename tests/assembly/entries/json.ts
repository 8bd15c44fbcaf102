// Makes the JSON scanner a WebAssembly module, for its tests and its bench. The module exports the scanner's functions, and has
// memory for a table and a state.
import { FIELDS_BYTES } from "../../../assembly/scan/json/fields";

export {
  fieldBytes,
  fieldEnd,
  fieldKind,
  fieldLength,
  fieldStart,
  fieldsAdd,
  fieldsInit,
  fieldsStateBytes,
} from "../../../assembly/scan/json/fields";
export {
  jsonErrorOffset,
  jsonFeed,
  jsonHashedLength,
  jsonHashedPointer,
  jsonInit,
  jsonOffset,
  jsonStatus,
} from "../../../assembly/scan/json/json";
export { errorSentence } from "../../../assembly/scan/json/json-errors";

/** Bytes that suffice for the state of any table that a test builds. */
const STATE_ROOM: i32 = 65536;
export const table: usize = memory.data(FIELDS_BYTES, 8);
export const state: usize = memory.data(STATE_ROOM, 8);
