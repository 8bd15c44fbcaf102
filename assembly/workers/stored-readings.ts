// The readings of pods that the collector pushed last. The filter does not read them. It keeps them for the polls of the other sidecars.
//   pilotfish.readings        the last push, with its number
//   pilotfish.readings-head   ReadingsHead, so that a worker reads the push only when it answers a poll with it
// Memory: at most MAX_READINGS_BYTES in shared data, and the same in each worker that answered such a poll.
import { HEADER_TOTAL_BYTES } from "../../protocol/constants";
import { READINGS_HEADER_BYTES, READINGS_NUMBER } from "../../protocol/readings/readings-constants";
import { bytesOf } from "../base/bytes";
import { beginChange, readShared, SharedValue, writeShared } from "./shared-data";

@unmanaged
class ReadingsHead {
  /** When the readings were stored, ns. This is their number; 0: none were stored. */
  number: u64 = 0;
  /** Until when a sidecar that is not the collector counts as wanting readings, ns. */
  listenedUntil: u64 = 0;
  /** Id of the collector that pushed the readings. */
  collector: u32 = 0;
  unused: u32 = 0;
}

const KEY = bytesOf("pilotfish.readings");
const HEAD = bytesOf("pilotfish.readings-head");
const BYTES: u32 = offsetof<ReadingsHead>();
/** Readings that are older, ns, are of no use: sidecars have scraped for themselves since. */
const LONGEST: u64 = 10000000000;
/** A poll that wants readings counts for this long, ns. Such polls come at least once a second. */
const LISTENED: u64 = 3000000000;
/** The head is written again only when less than this is left of LISTENED. */
const RENEWED: u64 = 2000000000;
const record: usize = memory.data(BYTES, 8);

/** Stores a verified push of this collector for all workers. `now` is in ns. Writes the push's number into `data`. Returns false when this failed. */
export function storeReadings(data: usize, bytes: u32, collector: u32, now: u64): bool {
  store<u64>(data, now, READINGS_NUMBER);
  if (!writeShared(KEY, data, bytes)) return false;
  const change = beginChange(HEAD);
  while (change.next()) {
    const next = take(change.pointer, change.length);
    next.number = now;
    next.collector = collector;
    change.write(record, BYTES);
  }
  return change.made();
}

/** Reads the head. The record is valid until the next call of a function of this file. */
export function readReadingsHead(): ReadingsHead {
  const value = readShared(HEAD);
  return take(value.pointer, value.length);
}

/** Notes that a sidecar wants readings at `now`, ns. */
export function listenToReadings(now: u64): void {
  if (isListened(readReadingsHead(), now + RENEWED)) return;
  const change = beginChange(HEAD);
  while (change.next()) {
    take(change.pointer, change.length).listenedUntil = now + LISTENED;
    change.write(record, BYTES);
  }
}

/** Whether a sidecar wants readings at `now`, ns. A time that the clock never comes to is from before the clock was set back. */
export function isListened(head: ReadingsHead, now: u64): bool {
  return head.listenedUntil > now && head.listenedUntil - now <= LISTENED;
}

/**
 * Whether there are readings at `now`, ns, for a sidecar that has those with the number `known`. `collector` has the lease, and only its
 * readings count. `sidecar`: the id of the sidecar, if it collects. It has its own readings.
 */
export function hasReadings(head: ReadingsHead, known: u64, collector: u32, sidecar: u32, now: u64): bool {
  if (head.number == 0 || head.number == known || head.number > now || now - head.number > LONGEST) return false;
  return collector != 0 && head.collector == collector && collector != sidecar;
}

/** Reads the stored readings; a value of length 0: none are whole. The record is valid until the next read of shared data. */
export function readReadings(): SharedValue {
  const value = readShared(KEY);
  const whole = value.length >= READINGS_HEADER_BYTES && load<u32>(value.pointer, HEADER_TOTAL_BYTES) == value.length;
  if (!whole) value.length = 0;
  return value;
}

function take(pointer: usize, length: u32): ReadingsHead {
  if (length == BYTES) memory.copy(record, pointer, BYTES);
  else memory.fill(record, 0, BYTES);
  return changetype<ReadingsHead>(record);
}
