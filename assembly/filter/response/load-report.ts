// Load reports with answers (ORCA). vLLM puts its queue and its KV cache into the headers of an answer that is not streamed
// when the request asks for it:
//
//   report = "TEXT" ( " "* key "=" number ","? )*       named_metrics.num_requests_waiting=3.0, named_metrics.kv_cache_usage_perc=0.25
//
// Ranks of a data-parallel server each say theirs: queues add up, of the cache the mean counts. The header does not go on
// to the client, for whom the pod was chosen. Only with `pick.loadReports`: it costs a host call for each answer.
import { bytesOf } from "../../base/bytes";
import { findEntry } from "../../endpoints/entries";
import { takeLoadReport } from "../../endpoints/load-reports";
import { getHeader, now, RESPONSE_HEADERS, removeHeader, resultLength, resultPointer } from "../../host/calls";
import { count, LOAD_REPORT_UNREADABLE, LOAD_REPORTS } from "../../stats";
import { LOAD_REPORT } from "../headers/names";
import { Stream } from "../streams";

const WAITING = bytesOf("num_requests_waiting=");
const KV_USAGE = bytesOf("kv_cache_usage_perc=");

/** Longer ones are not read. */
const MOST_BYTES: u32 = 4096;
const MOST_WAITING: f64 = 1000000;

/** The answer's headers are here, and the stream is counted on the endpoint that they are by. */
export function readReport(stream: Stream): void {
  if (!getHeader(RESPONSE_HEADERS, LOAD_REPORT)) return;
  const entry = findEntry(stream.counted);
  if (entry !== null) {
    const length = resultLength();
    const waiting = length <= MOST_BYTES ? total(resultPointer(), length, WAITING.pointer, WAITING.length) : -1;
    const kv = waiting >= 0 ? total(resultPointer(), length, KV_USAGE.pointer, KV_USAGE.length) : -1;
    if (waiting >= 0 && waiting <= MOST_WAITING) {
      takeLoadReport(entry, waiting, kv >= 0 && kv <= <f64>found ? kv / <f64>found : -1, now());
      count(LOAD_REPORTS);
    } else count(LOAD_REPORT_UNREADABLE);
  }
  removeHeader(RESPONSE_HEADERS, LOAD_REPORT);
}

/** How many numbers the last total() added up. */
let found: i32 = 0;
/** Where the last number() ended. */
let numberEnd: usize = 0;

/** Sum of the numbers behind a key, which ends with "="; -1: there is none, or one that cannot be read. */
function total(text: usize, length: u32, key: usize, keyLength: u32): f64 {
  found = 0;
  let sum: f64 = 0;
  const end = text + length;
  for (let at = text; at + keyLength < end; at++) {
    if (load<u8>(at) != load<u8>(key) || memory.compare(at, key, keyLength) != 0) continue;
    // The whole key, or the last part of a dotted one.
    if (at > text && !isBoundary(load<u8>(at - 1))) continue;
    const value = number(at + keyLength, end);
    if (value < 0) return -1;
    sum += value;
    found++;
    at = numberEnd - 1;
  }
  return found > 0 ? sum : -1;
}

/** "." or "," or " " */
function isBoundary(byte: u8): bool {
  return byte == 0x2e || byte == 0x2c || byte == 0x20;
}

/** "12", "0.25", "9.75e-06"; -1 for anything else, negative ones and "nan" among them. */
function number(from: usize, end: usize): f64 {
  let at = from;
  let value: f64 = 0;
  let scale: f64 = 1;
  let digits = 0;
  let fraction = false;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 0x2e && !fraction) fraction = true;
    else if (isDigit(byte) && ++digits < 30) {
      value = value * 10 + <f64>(byte - 0x30);
      if (fraction) scale *= 10;
    } else break;
  }
  if (digits == 0) return -1;
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at++;
    const negative = at < end && load<u8>(at) == 0x2d;
    if (at < end && (negative || load<u8>(at) == 0x2b)) at++;
    let exponent = 0;
    const first = at;
    for (; at < end && isDigit(load<u8>(at)) && exponent < 100; at++) exponent = exponent * 10 + (load<u8>(at) - 0x30);
    if (at == first) return -1;
    for (let i = 0; i < exponent; i++) value = negative ? value / 10 : value * 10;
  }
  if (at < end && load<u8>(at) != 0x2c && load<u8>(at) != 0x20) return -1;
  numberEnd = at;
  return value / scale;
}

function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}
