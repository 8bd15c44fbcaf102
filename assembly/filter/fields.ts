// The top-level fields of a body that the filter reads.
import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants";
import { bytesOf } from "../host/bytes";
import { FIELDS_BYTES, fieldsAdd, fieldsInit } from "../scan/fields";

/** Index of `model` in the table. */
export const MODEL_FIELD: u32 = 0;

const table: usize = heap.alloc(FIELDS_BYTES);
const model = bytesOf("model");
let built: bool = false;

export function wantedFields(): usize {
  if (!built) {
    built = true;
    fieldsInit(table, 0, 0);
    fieldsAdd(table, model.pointer, model.length, MAX_MODEL_NAME_BYTES, 0);
  }
  return table;
}
