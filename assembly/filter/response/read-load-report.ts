// Reads load reports (ORCA) in responses. If a request asks for a report, vLLM writes its queue and its KV-cache usage into a header
// of the response. vLLM does this only for a response that is not streamed:
//
//   report = "TEXT" ( " "* key "=" number ","? )*       named_metrics.num_requests_waiting=3.0, named_metrics.kv_cache_usage_perc=0.25
//
// Each rank of a data-parallel server reports its own values. The filter adds up the queues and takes the mean of the KV-cache usage.
// It removes the header, so the client does not get it. It reads reports only with `pick.loadReports`, because looking for the header
// costs a host call for each response.
import { bytesOf } from "../../base/bytes";
import { findEntry } from "../../endpoints/entries";
import { takeLoadReport } from "../../endpoints/load-reports";
import { getHeader, now, RESPONSE_HEADERS, removeHeader, resultLength, resultPointer } from "../../host/calls";
import { count, LOAD_REPORT_UNREADABLE, LOAD_REPORTS } from "../../stats";
import { LOAD_REPORT } from "../headers/header-names";
import { Stream } from "../streams";

const WAITING = bytesOf("num_requests_waiting=");
const KV_USAGE = bytesOf("kv_cache_usage_perc=");

/** The filter does not read a longer report. */
const MAX_BYTES: u32 = 4096;
const MAX_WAITING: f64 = 1000000;
const MAX_DIGITS: i32 = 30;
const MAX_EXPONENT: i32 = 100;

/** Call at the response's headers, after the stream is counted on the endpoint that sent them. */
export function readLoadReport(stream: Stream): void {
  if (!getHeader(RESPONSE_HEADERS, LOAD_REPORT)) return;
  const entry = findEntry(stream.countedOn);
  if (entry !== null) {
    const text = resultPointer();
    const length = resultLength() <= MAX_BYTES ? resultLength() : 0;
    const queues = total(text, length, WAITING.pointer, WAITING.length);
    const waiting = queues.readable && queues.count > 0 && queues.sum <= MAX_WAITING ? queues.sum : -1;
    if (waiting >= 0) {
      const caches = total(text, length, KV_USAGE.pointer, KV_USAGE.length);
      const ranks = <f64>caches.count;
      takeLoadReport(
        entry,
        waiting,
        caches.readable && ranks > 0 && caches.sum <= ranks ? caches.sum / ranks : -1,
        now(),
      );
      count(LOAD_REPORTS);
    } else count(LOAD_REPORT_UNREADABLE);
  }
  removeHeader(RESPONSE_HEADERS, LOAD_REPORT);
}

/** The numbers that a report has for one key. */
@unmanaged
class Total {
  /** False: one of the numbers is not readable. */
  readable: bool = false;
  count: u32 = 0;
  sum: f64 = 0;
}

/** A number in a text. */
@unmanaged
class Parsed {
  /** -1: the text is not a number of 0 or more. */
  value: f64 = 0;
  /** Address of the byte after the number. */
  end: usize = 0;
}

const totalRecord = changetype<Total>(memory.data(offsetof<Total>(), 8));
const parsedRecord = changetype<Parsed>(memory.data(offsetof<Parsed>(), 8));

/** Adds up the numbers after each occurrence of a key. `key` ends with "=". The record is valid until the next call. */
function total(text: usize, length: u32, key: usize, keyLength: u32): Total {
  const found = totalRecord;
  found.readable = true;
  found.count = 0;
  found.sum = 0;
  const end = text + length;
  for (let at = text; at + keyLength < end; at++) {
    if (load<u8>(at) != load<u8>(key) || memory.compare(at, key, keyLength) != 0) continue;
    // The key must be a whole key of the report, or the last part of a dotted key.
    if (at > text && !isBoundary(load<u8>(at - 1))) continue;
    const number = parse(at + keyLength, end);
    if (number.value < 0) {
      found.readable = false;
      return found;
    }
    found.sum += number.value;
    found.count++;
    at = number.end - 1;
  }
  return found;
}

/** Returns whether a key may begin after this byte: ".", "," or " ". */
function isBoundary(byte: u8): bool {
  return byte == 0x2e || byte == 0x2c || byte == 0x20;
}

/**
 * Reads a number such as "12", "0.25" or "9.75e-06". The value is -1 for any other text, also for negative numbers and "nan". The
 * record is valid until the next call.
 */
function parse(from: usize, end: usize): Parsed {
  const parsed = parsedRecord;
  parsed.value = -1;
  let at = from;
  let value: f64 = 0;
  let scale: f64 = 1;
  let digits = 0;
  let fraction = false;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 0x2e && !fraction) fraction = true;
    else if (isDigit(byte) && ++digits < MAX_DIGITS) {
      value = value * 10 + <f64>(byte - 0x30);
      if (fraction) scale *= 10;
    } else break;
  }
  if (digits == 0) return parsed;
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at++;
    const negative = at < end && load<u8>(at) == 0x2d;
    if (at < end && (negative || load<u8>(at) == 0x2b)) at++;
    let exponent = 0;
    const first = at;
    for (; at < end && isDigit(load<u8>(at)) && exponent < MAX_EXPONENT; at++)
      exponent = exponent * 10 + (load<u8>(at) - 0x30);
    if (at == first) return parsed;
    for (let i = 0; i < exponent; i++) value = negative ? value / 10 : value * 10;
  }
  if (at < end && load<u8>(at) != 0x2c && load<u8>(at) != 0x20) return parsed;
  parsed.end = at;
  parsed.value = value / scale;
  return parsed;
}

function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}
