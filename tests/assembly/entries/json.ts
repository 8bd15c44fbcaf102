// The JSON scanner as a module of its own, for its tests and its bench: the interface as exports, and memory for a table and
// a state.
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

/** Room for the state of any table that a test builds. */
const STATE_ROOM: i32 = 65536;
export const table: usize = memory.data(FIELDS_BYTES, 8);
export const state: usize = memory.data(STATE_ROOM, 8);
