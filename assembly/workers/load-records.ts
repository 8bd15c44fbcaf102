// This worker's view of the shared records (shared-load.ts): a copy of each record, and what the worker knows of it.
import { MAX_ENDPOINTS } from "../../protocol/constants";
import { endpointCount } from "../endpoints/entries";
import { NumberedKeys, readShared, replaceShared, SharedValue } from "./shared-data";

@unmanaged
export class RecordHeader {
  /** topologyHash() of the endpoints. */
  topology: u64 = 0;
  /** A random number. All shares in the record were added under it. */
  epoch: u64 = 0;
  /** When this Envoy received the snapshot of the worker that began the epoch, ns. Its version may be lower than an older one's. */
  received: u64 = 0;
  /** When the epoch began, ns. */
  began: u64 = 0;
}

/** Endpoints of one record. A pick among 1,000 endpoints copies 8 KiB, which costs less than a second read. */
export const GROUP: u32 = 1024;
export const HEADER: u32 = offsetof<RecordHeader>();
/** 10, so the groups of a pick fit into the bits of a u32. */
const MAX_GROUPS: u32 = (MAX_ENDPOINTS + GROUP - 1) / GROUP;

/** What this worker knows of one record. */
@unmanaged
class Group {
  /** Copy of the record as it was last read or written: the header, then the words; 0: not allocated. */
  copy: usize = 0;
  bytes: u32 = 0;
  cas: u32 = 0;
  /** The epoch in which this worker has its shares. */
  epoch: u64 = 0;
  /** An epoch in which this worker had shares that it no longer knows, because the endpoints have changed since. */
  forgotten: u64 = 0;
  /** Field `received` of a record for other endpoints. A worker with an older snapshot leaves that record alone. */
  foreignReceived: u64 = 0;
  /** When the record was last read for a pick, ns, if it is large. */
  readAt: u64 = 0;
  /** Whether the record belongs to this worker's endpoints. */
  joined: bool = false;
  /** Whether `cas` is from a read since this worker's last write. */
  fresh: bool = false;
  /** Whether a failed write has left words in the copy that the record does not have. */
  spoiled: bool = false;
  /** Whether the record lacks this worker's shares, because the epoch is new to the worker. */
  behind: bool = false;
  /** Whether the next tick has to bring all words up to date, because the list was full. */
  onTick: bool = false;
  failed: bool = false;
}

const keys = new NumberedKeys("pilotfish.load", MAX_GROUPS);
const groups: usize = memory.data(MAX_GROUPS * offsetof<Group>(), 8);

export function groupAt(number: u32): Group {
  return changetype<Group>(groups + number * offsetof<Group>());
}

export function groupCount(): u32 {
  return (endpointCount() + GROUP - 1) / GROUP;
}

export function headerOf(number: u32): RecordHeader {
  return changetype<RecordHeader>(groupAt(number).copy);
}

/** Words of the record. */
export function wordsOf(number: u32): u32 {
  return min(endpointCount() - number * GROUP, GROUP);
}

/** Makes the groups fit the current endpoints. No record is joined then. */
export function resetGroups(): void {
  const used = groupCount();
  for (let number: u32 = 0; number < used; number++) {
    const group = groupAt(number);
    const bytes = HEADER + wordsOf(number) * 8;
    if (group.bytes != bytes) {
      if (group.copy) heap.free(group.copy);
      group.copy = heap.alloc(bytes);
      group.bytes = bytes;
    }
    if (group.epoch) group.forgotten = group.epoch;
    group.epoch = 0;
    group.joined = false;
    group.fresh = false;
    group.spoiled = true;
  }
}

/** Reads a record as it is now. The value is valid until the next host call that returns bytes. */
export function readRecord(number: u32): SharedValue {
  return readShared(keys.at(number));
}

/** Replaces the record by the copy, unless another worker changed the record since it was read. */
export function writeRecord(number: u32): u32 {
  const group = groupAt(number);
  const status = replaceShared(keys.at(number), group.copy, group.bytes, group.cas);
  group.fresh = false;
  return status;
}
