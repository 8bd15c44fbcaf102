// Compiled by asc for the scanner's tests and bench: the interface as wasm exports, and memory to put things in.

export { errorSentence } from "../../../assembly/scan/json/errors";
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

export const table: usize = memory.data(4096, 8);
export const state: usize = memory.data(65536, 8);
