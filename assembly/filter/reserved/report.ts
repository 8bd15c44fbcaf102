// What this Envoy counts, all of its workers together, for other Envoys to hear of by their sidecars: the answer to a push,
// or to a GET, that asks for it by the header x-pilotfish-report. Laid out in protocol/README.md. The header's value says which
// news the asker has, `ring.position`; 0.0 for none.
//   pilotfish.instance   u64 random id of this Envoy, or rather of the VMs that share data
import {
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_MINOR,
  HEADER_TOTAL_BYTES,
  MAJOR,
  MAX_PREFIX_WORDS,
  MINOR,
  REPORT_END,
  REPORT_HEADER,
  REPORT_HEADER_BYTES,
  REPORT_INSTANCE,
  REPORT_MAGIC,
  REPORT_RECORD_BYTES,
  REPORT_RECORDS,
  REPORT_RING,
  REPORT_VERSION,
  REPORT_WORDS,
} from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";
import { endpointCount } from "../../endpoints/entries";
import { reportEntry, reportHash } from "../../endpoints/in-flight";
import {
  getHeader,
  getShared,
  OK,
  REQUEST_HEADERS,
  randomSeed,
  resultLength,
  resultPointer,
  setShared,
} from "../../host/calls";
import { hear } from "../../workers/counts";
import { allNews } from "../../workers/prefixes";

const ASKED = bytesOf(REPORT_HEADER);
const INSTANCE = bytesOf("pilotfish.instance");
const id: usize = memory.data(8, 8);
let report: usize = 0;
let capacity: u32 = 0;
let ringId: u64 = 0;
let knownRing: u64 = 0;
let knownEnd: u64 = 0;

/** Whether the request asks for a report. Call it while the request's headers are there, makeReport() after it. */
export function wantsReport(): bool {
  return hasAsk() && readAsk(resultPointer(), resultLength());
}

/** The host's answer is the header's value then. */
export function hasAsk(): bool {
  return getHeader(REQUEST_HEADERS, ASKED) && resultLength() > 0;
}

/** Reads the header's value; false where it is none. makeReport() goes by the last one. */
export function readAsk(text: usize, length: u32): bool {
  knownRing = 0;
  knownEnd = 0;
  let second = false;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    if (c == 0x2e && !second) second = true;
    else if (c < 0x30 || c > 0x39) return false;
    else if (second) knownEnd = knownEnd * 10 + (c - 0x30);
    else knownRing = knownRing * 10 + (c - 0x30);
  }
  return second;
}

/** Writes the report to reportPointer(); its length. `now` in ns. */
export function makeReport(now: u64): u32 {
  hear(now);
  reserve(REPORT_HEADER_BYTES + endpointCount() * REPORT_RECORD_BYTES + MAX_PREFIX_WORDS * 8);
  memory.fill(report, 0, REPORT_HEADER_BYTES);
  let records: u32 = 0;
  let at = report + REPORT_HEADER_BYTES;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    if (!reportEntry(i, at + 8)) continue;
    store<u64>(at, reportHash(i));
    at += REPORT_RECORD_BYTES;
    records++;
  }
  at += writeNews(at);
  const bytes = <u32>(at - report);
  store<u32>(report, REPORT_MAGIC, HEADER_MAGIC);
  store<u16>(report, <u16>MAJOR, HEADER_MAJOR);
  store<u16>(report, <u16>MINOR, HEADER_MINOR);
  store<u32>(report, bytes, HEADER_TOTAL_BYTES);
  store<u32>(report, records, REPORT_RECORDS);
  store<u64>(report, instance(), REPORT_INSTANCE);
  return bytes;
}

/** The report is of the moment before this snapshot was taken in. */
export function setReportVersion(version: u64): void {
  store<u64>(report, version, REPORT_VERSION);
}

export function reportPointer(): usize {
  return report;
}

function reserve(bytes: u32): void {
  if (bytes <= capacity) return;
  if (report) heap.free(report);
  capacity = bytes + bytes / 4;
  report = heap.alloc(capacity);
}

/** News that the asker has not, the newest MAX_PREFIX_WORDS of them; how many bytes. */
function writeNews(target: usize): u32 {
  const ring = allNews();
  if (ring === null) return 0;
  if (ringId == 0) ringId = randomSeed() | 1;
  store<u64>(report, ringId, REPORT_RING);
  store<u64>(report, ring.end, REPORT_END);
  const known = knownRing == ringId && knownEnd >= ring.start && knownEnd <= ring.end;
  const from: u32 = known ? <u32>(knownEnd - ring.start) : 0;
  const first = max(from, ring.recordsBefore(MAX_PREFIX_WORDS * 8));
  const bytes = ring.size - first;
  memory.copy(target, ring.data + first, bytes);
  store<u32>(report, bytes / 8, REPORT_WORDS);
  return bytes;
}

function instance(): u64 {
  if (getShared(INSTANCE) == OK && resultLength() == 8) return load<u64>(resultPointer());
  // Two workers may both find none: the later one's stays.
  store<u64>(id, randomSeed() | 1);
  setShared(INSTANCE, id, 8, 0);
  return load<u64>(id);
}
