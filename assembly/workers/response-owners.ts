// The owners of responses (Responses API), for all workers of this Envoy.
//   pilotfish.responses.K   ResponseTable; K is the low bits of the id's hash
// A client may use a response's id as soon as it has the id, and any worker may get that request. So the request itself reads or
// writes these keys, but only a request of the Responses API. The tables have KEYS * RESPONSES = 16,384 responses, in 513 KiB.
import { Bytes } from "../base/bytes";
import { beginChange, NumberedKeys, readShared } from "./shared-data";

const KEYS: u32 = 64;
/** Responses in the table of one key. */
const RESPONSES: u32 = 256;

@unmanaged
export class ResponseRecord {
  /** Hash of the response's id. */
  id: u64 = 0;
  /** Hash of the owner's address. */
  owner: u64 = 0;
  /** Hash of the model that gave the response. */
  model: u64 = 0;
  /** The name that the client asked for, in the form of keptAsked() (filter/request/asked-name.ts). */
  asked: u64 = 0;
}

/** The beginning of a value. RESPONSES records follow, and a new record replaces the oldest. */
@unmanaged
class ResponseTable {
  /** Number of records that were ever written into this table. */
  written: u64 = 0;
}

const RECORDS: usize = offsetof<ResponseTable>();
const TABLE_BYTES: u32 = offsetof<ResponseTable>() + RESPONSES * offsetof<ResponseRecord>();

const keys = new NumberedKeys("pilotfish.responses", KEYS);
const table: usize = memory.data(TABLE_BYTES, 8);
const found: usize = memory.data(offsetof<ResponseRecord>(), 8);

function keyOf(id: u64): Bytes {
  return keys.at(<u32>id & (KEYS - 1));
}

/** Finds the response whose id has the hash `id`; null: the response is not known. The record is valid until the next call. */
export function findResponse(id: u64): ResponseRecord | null {
  if (id == 0) return null;
  const value = readShared(keyOf(id));
  if (value.length != TABLE_BYTES) return null;
  const records = value.pointer + RECORDS;
  for (let i: u32 = 0; i < RESPONSES; i++) {
    const record = records + i * offsetof<ResponseRecord>();
    if (changetype<ResponseRecord>(record).id != id) continue;
    memory.copy(found, record, offsetof<ResponseRecord>());
    return changetype<ResponseRecord>(found);
  }
  return null;
}

/** Stores that the endpoint `owner` keeps the response `id`. All arguments are hashes, as in ResponseRecord. */
export function rememberResponse(id: u64, owner: u64, model: u64, asked: u64): void {
  const change = beginChange(keyOf(id));
  while (change.next()) {
    if (change.length == TABLE_BYTES) memory.copy(table, change.pointer, TABLE_BYTES);
    else memory.fill(table, 0, TABLE_BYTES);
    const head = changetype<ResponseTable>(table);
    const record = changetype<ResponseRecord>(
      table + RECORDS + <usize>(head.written % RESPONSES) * offsetof<ResponseRecord>(),
    );
    head.written++;
    record.id = id;
    record.owner = owner;
    record.model = model;
    record.asked = asked;
    change.write(table, TABLE_BYTES);
  }
}
