// Readings of pods in the answers to polls: what a poll asks about them, and the end of the answer with the collector's last readings.
import {
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_MINOR,
  HEADER_TOTAL_BYTES,
  MAJOR,
  MINOR,
} from "../../../protocol/constants";
import {
  READINGS_COLLECTOR,
  READINGS_DELAY,
  READINGS_HEADER,
  READINGS_HEADER_BYTES,
  READINGS_HELD,
  READINGS_LISTENED,
  READINGS_MAGIC,
  READINGS_NUMBER,
} from "../../../protocol/readings/readings-constants";
import { bytesOf } from "../../base/bytes";
import { parseDotted } from "../../base/dotted-numbers";
import { getHeader, REQUEST_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { readReadings } from "../../workers/stored-readings";
import { extendReport, TrafficReport } from "./traffic-report";

/** What a poll asks about readings. The numbers of the header, in their order. */
@unmanaged
class ReadingsAsk {
  /** Number of the readings that the sidecar has; 0: none. */
  number: u64 = 0;
  /** READINGS_WANTED, READINGS_QUIET. */
  flags: u64 = 0;
}

const ASKED = bytesOf(READINGS_HEADER);
const asked: usize = memory.data(offsetof<ReadingsAsk>(), 8);

/** Reads the header of a poll; null: the poll does not ask about readings. The record is valid until the next call. */
export function readReadingsAsk(): ReadingsAsk | null {
  if (!getHeader(REQUEST_HEADERS, ASKED)) return null;
  const whole = parseDotted(resultPointer(), resultLength(), asked, offsetof<ReadingsAsk>() / 8);
  return whole ? changetype<ReadingsAsk>(asked) : null;
}

/**
 * Ends a report with the stored readings if `wanted`, and otherwise with their header only. `held`: ns for which the poll was held;
 * `listened`: whether a sidecar wants readings. `now` is in ns.
 */
export function endWithReadings(report: TrafficReport, wanted: bool, held: u64, listened: bool, now: u64): void {
  const value = readReadings();
  const bytes = wanted ? value.length : 0;
  // The record is shared, and extendReport() makes no host call, so the value stays valid.
  const from = value.pointer;
  const at = extendReport(report, max(bytes, READINGS_HEADER_BYTES));
  if (bytes > 0) {
    memory.copy(at, from, bytes);
    const number = load<u64>(at, READINGS_NUMBER);
    const stored = now > number ? now - number : 0;
    store<u32>(at, <u32>min<u64>(load<u32>(at, READINGS_DELAY) + stored / 1000, u32.MAX_VALUE), READINGS_DELAY);
  } else {
    memory.fill(at, 0, READINGS_HEADER_BYTES);
    store<u32>(at, READINGS_MAGIC, HEADER_MAGIC);
    store<u16>(at, <u16>MAJOR, HEADER_MAJOR);
    store<u16>(at, <u16>MINOR, HEADER_MINOR);
    store<u32>(at, READINGS_HEADER_BYTES, HEADER_TOTAL_BYTES);
    store<u32>(at, 0, READINGS_COLLECTOR);
  }
  store<u32>(at, <u32>min<u64>(held / 1000, u32.MAX_VALUE), READINGS_HELD);
  store<u32>(at, listened ? 1 : 0, READINGS_LISTENED);
}
