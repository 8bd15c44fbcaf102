// How often a worker of this Envoy began with an empty prefix index. A sidecar refills the index when the number rises.
//   pilotfish.emptied   u32, wraps
import { bytesOf } from "../base/bytes";
import { beginChange, readShared } from "./shared-data";

const KEY = bytesOf("pilotfish.emptied");
const BYTES: u32 = sizeof<u32>();
const record: usize = memory.data(BYTES, 4);

/** Counts that this worker's index is empty. */
export function countEmptied(): void {
  const change = beginChange(KEY);
  while (change.next()) {
    store<u32>(record, (change.length == BYTES ? load<u32>(change.pointer) : 0) + 1);
    change.write(record, BYTES);
  }
}

export function emptied(): u32 {
  const value = readShared(KEY);
  return value.length == BYTES ? load<u32>(value.pointer) : 0;
}
