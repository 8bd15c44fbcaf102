// The traffic report: the counts of all workers of this Envoy and their prefix updates, for other Envoys; and the sums of what the
// workers measured at the requests of each model, from which the sidecar learns. A sidecar asks for it by the header
// x-pilotfish-report of a push or a GET. The response's body is the report. protocol/README.md shows its layout, and the values of
// the two headers: x-pilotfish-report names the prefix updates that the sidecar already has, x-pilotfish-poll asks for a report that
// has news (polls.ts).
import {
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_MINOR,
  HEADER_TOTAL_BYTES,
  MAJOR,
  MAX_PREFIX_WORDS,
  MAX_SUMS,
  MINOR,
  POLL_HEADER,
  REPORT_COLLECTOR,
  REPORT_EJECTIONS_SHIFT,
  REPORT_EMPTIED,
  REPORT_END,
  REPORT_END_BITS,
  REPORT_FLAGS,
  REPORT_HAS_QUEUES,
  REPORT_HAS_SMALL_PIECES,
  REPORT_HEADER,
  REPORT_HEADER_BYTES,
  REPORT_INSTANCE,
  REPORT_MAGIC,
  REPORT_NEWS,
  REPORT_RECORD_BYTES,
  REPORT_RECORDS,
  REPORT_RING,
  REPORT_SUMS,
  REPORT_VERSION,
  REPORT_WORDS,
  SMALL_PIECE_BYTES,
  SUMS_BYTES,
} from "../../../protocol/constants";
import { usedSince } from "../../admission/since";
import { bytesOf } from "../../base/bytes";
import { parseDotted } from "../../base/dotted-numbers";
import { blockBytes } from "../../endpoints/cache/prompt";
import { endpointCount } from "../../endpoints/entries";
import { newsHash, reportEntry, reportHash } from "../../endpoints/in-flight";
import { getHeader, REQUEST_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { collectorAt } from "../../workers/collector-lease";
import { emptied } from "../../workers/emptied";
import { instanceId } from "../../workers/instance";
import { allPrefixes } from "../../workers/prefix-news";
import { readSums } from "../../workers/published-sums";
import { summary } from "../../workers/summary";

/** The prefix updates that the sidecar already has. */
@unmanaged
export class ReportAsk {
  /** instanceId() of the Envoy whose prefix updates the sidecar read; 0: none. */
  ring: u64 = 0;
  /** Position in the log of prefix updates (workers/prefix-news.ts) where the sidecar stopped reading. */
  position: u64 = 0;
}

@unmanaged
export class TrafficReport {
  pointer: usize = 0;
  length: u32 = 0;
  /** Bytes that are allocated at `pointer`. This number grows with the number of endpoints. */
  capacity: u32 = 0;
}

/** What a poll asks for. The numbers of the header, in their order. */
@unmanaged
export class PollAsk {
  /** How long the filter may wait for news. */
  milliseconds: u64 = 0;
  /** REPORT_NEWS and REPORT_COLLECTOR of the last report that the sidecar has. */
  news: u64 = 0;
  known: u64 = 0;
  /** Id of the sidecar if it collects, or would; 0: it only wants to know when no collector is alive. */
  collector: u64 = 0;
  /** Number of Envoys that the sidecar knows. */
  envoys: u64 = 0;
}

const ASKED = bytesOf(REPORT_HEADER);
const POLLED = bytesOf(POLL_HEADER);
const END_MASK: u64 = (1 << (<u64>REPORT_END_BITS)) - 1;
const asked: usize = memory.data(offsetof<ReportAsk>(), 8);
const polled: usize = memory.data(offsetof<PollAsk>(), 8);
const made: usize = memory.data(offsetof<TrafficReport>(), 8);

/** Whether a profile of this VM uses the queues or the KV usage of scrapes. */
let queuesUsed: bool = false;

/** Makes reports say from now on that picks use the queues or the KV usage of scrapes. */
export function reportQueues(): void {
  queuesUsed = true;
}

/**
 * Reads the request's header; null: the request asks for no report. Call in the headers callback. The record is valid until the
 * next call.
 */
export function readAsk(): ReportAsk | null {
  return hasAsk() ? parseAsk(resultPointer(), resultLength()) : null;
}

/** Returns whether the request has the header. If so, the host's result is the header's value. */
export function hasAsk(): bool {
  return getHeader(REQUEST_HEADERS, ASKED) && resultLength() > 0;
}

/** Parses the header's value; null: it asks for no report. */
export function parseAsk(text: usize, length: u32): ReportAsk | null {
  if (!parseDotted(text, length, asked, offsetof<ReportAsk>() / 8)) return null;
  const ask = changetype<ReportAsk>(asked);
  // A sidecar of an older release sends further bits of the report back.
  ask.position &= END_MASK;
  return ask;
}

/** Reads the header of a poll; null: the request is no poll. The record is valid until the next call. */
export function readPoll(): PollAsk | null {
  if (!getHeader(REQUEST_HEADERS, POLLED)) return null;
  const whole = parseDotted(resultPointer(), resultLength(), polled, offsetof<PollAsk>() / 8);
  return whole ? changetype<PollAsk>(polled) : null;
}

/** Bytes of prefix updates that the sidecar lacks, which has those up to `position`. Call after exchangeNews(). */
export function newPrefixes(position: u64): u32 {
  const known = allPrefixes();
  if (known === null) return 0;
  return position >= known.start && position <= known.end ? <u32>(known.end - position) : known.size;
}

/** Makes the report at `now`, ns. Call after receiveCounts() and exchangeNews(). The record is valid until the next call. */
export function makeReport(now: u64, ask: ReportAsk): TrafficReport {
  const counts = endpointCount() * REPORT_RECORD_BYTES;
  const made = reserve(REPORT_HEADER_BYTES + counts + MAX_SUMS * SUMS_BYTES + MAX_PREFIX_WORDS * 8);
  const report = made.pointer;
  memory.fill(report, 0, REPORT_HEADER_BYTES);
  store<u64>(report, instanceId(), REPORT_INSTANCE);
  let records: u32 = 0;
  let at = report + REPORT_HEADER_BYTES;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    if (!reportEntry(i, at + 8)) continue;
    store<u64>(at, reportHash(i));
    at += REPORT_RECORD_BYTES;
    records++;
  }
  const sums = readSums(now);
  memory.copy(at, sums.pointer, sums.records * SUMS_BYTES);
  at += sums.records * SUMS_BYTES;
  at += writePrefixes(report, at, ask);
  made.length = <u32>(at - report);
  store<u32>(report, REPORT_MAGIC, HEADER_MAGIC);
  store<u16>(report, <u16>MAJOR, HEADER_MAJOR);
  store<u16>(report, <u16>MINOR, HEADER_MINOR);
  store<u32>(report, made.length, HEADER_TOTAL_BYTES);
  store<u32>(report, records, REPORT_RECORDS);
  store<u32>(report, sums.records, REPORT_SUMS);
  store<u8>(report, <u8>emptied(), REPORT_EMPTIED);
  store<u8>(report, flags(), REPORT_FLAGS);
  store<u32>(report, newsHash(), REPORT_NEWS);
  store<u32>(report, collectorAt(now), REPORT_COLLECTOR);
  return made;
}

/** The value of REPORT_FLAGS. The number of ejections wraps. */
function flags(): u8 {
  const pieces: u32 = blockBytes() == SMALL_PIECE_BYTES ? REPORT_HAS_SMALL_PIECES : 0;
  const queues: u32 = queuesUsed || usedSince() ? REPORT_HAS_QUEUES : 0;
  return <u8>(pieces | queues | ((<u32>summary().ejections) << REPORT_EJECTIONS_SHIFT));
}

/** Writes the version of the current snapshot into the report. The counts are from before the filter took over this snapshot. */
export function setReportVersion(report: TrafficReport, version: u64): void {
  store<u64>(report.pointer, version, REPORT_VERSION);
}

/** Makes sure that the report's memory has room for `bytes`. */
function reserve(bytes: u32): TrafficReport {
  const report = changetype<TrafficReport>(made);
  if (bytes <= report.capacity) return report;
  if (report.pointer) heap.free(report.pointer);
  report.capacity = bytes + bytes / 4;
  report.pointer = heap.alloc(report.capacity);
  return report;
}

/** Makes the report's body longer by `bytes`, and returns where they begin. The length in the report's header stays. */
export function extendReport(report: TrafficReport, bytes: u32): usize {
  const length = report.length + bytes;
  if (length > report.capacity) {
    report.capacity = length;
    report.pointer = heap.realloc(report.pointer, length);
  }
  const at = report.pointer + report.length;
  report.length = length;
  return at;
}

/** Writes prefix updates that the sidecar does not have, at most the newest MAX_PREFIX_WORDS words. Returns the number of bytes. */
function writePrefixes(report: usize, target: usize, ask: ReportAsk): u32 {
  const ring = allPrefixes();
  if (ring === null) return 0;
  const instance = load<u64>(report, REPORT_INSTANCE);
  store<u64>(report, instance, REPORT_RING);
  store<u64>(report, ring.end, REPORT_END);
  const known = ask.ring == instance && ask.position >= ring.start && ask.position <= ring.end;
  const from: u32 = known ? <u32>(ask.position - ring.start) : 0;
  const first = max(from, ring.recordsBefore(MAX_PREFIX_WORDS * 8));
  const bytes = ring.size - first;
  memory.copy(target, ring.data + first, bytes);
  store<u32>(report, bytes / 8, REPORT_WORDS);
  return bytes;
}
