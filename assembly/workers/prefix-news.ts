// How workers tell each other which prompts they sent. All workers append their prefix updates (endpoints/cache/prefix-updates.ts)
// to one log, and each worker reads the log from the position up to which it has read.
//   pilotfish.news.K   SegmentHeader, then whole records; K is the segment's number modulo SEGMENTS
// A worker reads the log before a pick and appends its record after the pick. So a prompt is in every worker's index at the worker's
// next pick. This costs one read and one write of the last segment, whatever the number of workers is. A key for each worker would
// cost a read for each other worker that sent a request in between. A busy worker does both only for one pick in EVERY, and leaves the
// prompts of its other picks to that pick or to the tick.
//
// A segment changes under compare-and-swap only. Records are appended until the segment has FULL bytes; then the next segment begins,
// in place of the oldest. A worker that appends has read all that stands before its records, so no worker reads its own records.
//
// A worker that has received nothing for ALONE appends and reads on its tick only. When it hears of another worker again, it does both
// at each pick. A worker that missed more than the log holds, some 256 KiB, takes those prompts for uncached until it sends them itself.
// A new worker reads the whole log.
//
// A ring keeps the log's latest records in this worker's memory, for traffic reports to other Envoys (filter/reserved/). All workers
// give a record the same position, so a sidecar may ask any worker for the records from a position on.
import { Bytes } from "../base/bytes";
import { hasTable } from "../endpoints/cache/prefix-index";
import { copyUpdate, dropUpdate, MAX_RECORD, receiveUpdate, updateWaiting } from "../endpoints/cache/prefix-updates";
import { count, SHARED_FAILED } from "../stats";
import { newRing, Ring } from "./ring";
import { NumberedKeys, REPLACED, readShared, replaceShared, writeShared } from "./shared-data";

@unmanaged
class SegmentHeader {
  /** The segment's number: 1 for the first segment of the log. 0: the key has not been used. */
  number: u64 = 0;
  /** Position of the segment's first record: the bytes of all records before it, since the log began. */
  start: u64 = 0;
}

const HEADER: u32 = offsetof<SegmentHeader>();
const SEGMENTS: u32 = 64;
/** A segment with at least this many bytes is full. */
const FULL: u32 = 4096;
const MAX_SEGMENT: u32 = FULL + MAX_RECORD;
const MAX_NUMBER: u64 = 1 << 48;
const REPORT_BYTES: u32 = 131072;
/** Time between two picks that read and append, in the mean, ns. After a pause as many as BURST picks may follow at once. */
const EVERY: u64 = 5000000;
const BURST: u64 = 16;
/** A worker that received nothing from others for this long, ns, appends and reads on its tick only. */
const ALONE: u64 = 2000000000;
/** Attempts to append. Nine of them append all that can wait. A failed attempt means that another worker appended. */
const MAX_ATTEMPTS: u32 = 24;

const keys = new NumberedKeys("pilotfish.news", SEGMENTS);
/** This worker's copy of the segment that it reads; SegmentHeader.number is the segment's number. */
const copy: usize = heap.alloc(MAX_SEGMENT);
/** Number of bytes of the segment that this worker has read. */
let position: u32 = HEADER;
/** The compare-and-swap number of the copy, when the copy is whole. 0: the segment must be read before an append. */
let cas: u32 = 0;
/** When this worker last received records, ns. */
let receivedAt: u64 = 0;
/** Each pick that reads the log moves this instant on by EVERY. While the instant lies ahead, picks leave the log to later picks. Ns. */
let spentUntil: u64 = 0;
/** Whether the last append failed. Then the next attempt is made on the tick. */
let failed: bool = false;
/** The ring for traffic reports; 0 before the first record. */
let ring: usize = 0;

begin(1, 0);

/** Creates the log at the configuration, before the first request. The host writes a key's first value without a condition. */
export function createNews(): void {
  const empty = memory.data(HEADER, 8);
  for (let k: u32 = 0; k < SEGMENTS; k++)
    if (readShared(keys.at(k)).length == 0) writeShared(keys.at(k), empty, HEADER);
}

/** Call before a pick at `now`, ns. Receives what other workers sent. Overwrites the host's last result. */
export function receiveNews(now: u64): void {
  if (isAlone(now) || (spentUntil > now && spentUntil - now <= EVERY)) return;
  spentUntil = max(spentUntil, now - (BURST - 1) * EVERY) + EVERY;
  read(now);
}

/** Call after a pick at `now`, ns. Publishes what this worker sent, if the pick has read the log. */
export function publishNews(now: u64): void {
  if (updateWaiting() > 0 && cas && !failed && !isAlone(now)) append(now);
}

/** Call on the tick at `now`, ns, and before a traffic report. Receives and publishes. */
export function exchangeNews(now: u64): void {
  if (!hasTable()) return;
  read(now);
  if (updateWaiting() > 0) append(now);
}

/** Returns a ring of the log's latest records; null before the first record. The ring's positions are the log's. */
export function allPrefixes(): Ring | null {
  return ring ? changetype<Ring>(ring) : null;
}

function isAlone(now: u64): bool {
  return now - receivedAt > ALONE;
}

/** Reads the log up to its end. */
function read(now: u64): void {
  // A worker that missed all segments searches for the oldest one, and then reads each segment once.
  for (let reads: u32 = 0; reads < 2 * SEGMENTS; reads++) {
    const segment = changetype<SegmentHeader>(copy).number;
    const value = readShared(keyOf(segment));
    cas = value.cas;
    const number = numberOf(value.pointer, value.length, segment);
    if (number < segment) return;
    if (number > segment) {
      begin(number - SEGMENTS + 1, 0);
      continue;
    }
    take(value.pointer, value.length, now);
    if (position < FULL) return;
    begin(segment + 1, logPosition());
  }
}

/** Number of the segment that a value holds; 0: none that belongs under the key of `segment`. */
function numberOf(value: usize, length: u32, segment: u64): u64 {
  if (length < HEADER || length > MAX_SEGMENT) return 0;
  const number = changetype<SegmentHeader>(value).number;
  return number % SEGMENTS == segment % SEGMENTS && number < MAX_NUMBER ? number : 0;
}

function keyOf(segment: u64): Bytes {
  return keys.at(<u32>(segment % SEGMENTS));
}

/** Goes on to the beginning of a segment, whose first record has the position `start`. */
function begin(segment: u64, start: u64): void {
  const header = changetype<SegmentHeader>(copy);
  header.number = segment;
  header.start = start;
  position = HEADER;
  cas = 0;
}

/** Position in the log of the first record that this worker has not read. */
function logPosition(): u64 {
  return changetype<SegmentHeader>(copy).start + (position - HEADER);
}

/** Receives the records of the present segment that this worker has not read. */
function take(value: usize, length: u32, now: u64): void {
  if (position == HEADER) changetype<SegmentHeader>(copy).start = changetype<SegmentHeader>(value).start;
  if (length > position) {
    const records = copy + position;
    const bytes = length - position;
    memory.copy(records, value + position, bytes);
    keep(records, receiveUpdate(records, bytes));
    receivedAt = now;
  }
  position = length;
}

/** Appends the waiting records. What cannot be appended now waits on. */
function append(now: u64): void {
  for (let attempt: u32 = 0; attempt < MAX_ATTEMPTS && updateWaiting() > 0; attempt++) {
    if (!cas) read(now);
    if (!cas) break;
    const segment = changetype<SegmentHeader>(copy).number;
    const records = copy + position;
    const bytes = copyUpdate(records, FULL - position);
    const made = replaceShared(keyOf(segment), copy, position + bytes, cas) == REPLACED;
    // The host gave the new value a number that this worker does not know.
    cas = 0;
    if (!made) continue;
    keep(records, bytes);
    dropUpdate(bytes);
    position += bytes;
    if (position >= FULL) begin(segment + 1, logPosition());
  }
  failed = updateWaiting() > 0;
  if (failed) count(SHARED_FAILED);
}

/** Adds records to the ring. They are the log's records at logPosition(). */
function keep(records: usize, bytes: u32): void {
  if (!ring) ring = changetype<usize>(newRing(REPORT_BYTES));
  const kept = changetype<Ring>(ring);
  if (kept.end != logPosition()) kept.restart(logPosition());
  if (bytes > 0) kept.append(records, bytes);
}
