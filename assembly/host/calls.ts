// Every call to the proxy-wasm host (ABI 0.2.1), thin and without allocation. Only this file and abort.ts import the SDK.
// A call that returns bytes puts them at `resultPointer()`, `resultLength()` of them; memory.ts says how long they are valid.
import {
  proxy_continue_stream,
  proxy_define_metric,
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_get_buffer_bytes,
  proxy_get_current_time_nanoseconds,
  proxy_get_header_map_pairs,
  proxy_get_header_map_size,
  proxy_get_header_map_value,
  proxy_get_metric,
  proxy_get_property,
  proxy_get_shared_data,
  proxy_increment_metric,
  proxy_log,
  proxy_record_metric,
  proxy_register_shared_queue,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_send_local_response,
  proxy_set_effective_context,
  proxy_set_property,
  proxy_set_shared_data,
  proxy_set_tick_period_milliseconds,
} from "@solo-io/proxy-runtime/assembly/imports";
import { Bytes, bytesOf } from "../base/bytes";
import { proxy_set_buffer_bytes, random_get } from "./abi";

export const OK: u32 = 0;
export const CAS_MISMATCH: u32 = 8;

export const REQUEST_HEADERS: i32 = 0;
export const RESPONSE_HEADERS: i32 = 2;

export const REQUEST_BODY: i32 = 0;
export const RESPONSE_BODY: i32 = 1;
export const PLUGIN_CONFIGURATION: i32 = 7;

export const HEADERS_CONTINUE: i32 = 0;
export const HEADERS_STOP: i32 = 1;
export const BODY_CONTINUE: i32 = 0;
export const BODY_STOP_AND_BUFFER: i32 = 1;

const REQUEST_STREAM: i32 = 0;

export const COUNTER: i32 = 0;
export const GAUGE: i32 = 1;

export const LOG_INFO: usize = 2;
export const LOG_WARN: usize = 3;
export const LOG_ERROR: usize = 4;

/** Where host calls write their results. */
@unmanaged
class Results {
  pointer: usize = 0;
  length: u32 = 0;
  cas: u32 = 0;
  word: u32 = 0;
  wide: u64 = 0;
}

const results: usize = memory.data(offsetof<Results>(), 8);
const POINTER: usize = results + offsetof<Results>("pointer");
const LENGTH: usize = results + offsetof<Results>("length");
const CAS: usize = results + offsetof<Results>("cas");
const WORD: usize = results + offsetof<Results>("word");
const WIDE: usize = results + offsetof<Results>("wide");

export function resultPointer(): usize {
  return load<usize>(POINTER);
}
export function resultLength(): u32 {
  return load<u32>(LENGTH);
}
export function resultCas(): u32 {
  return load<u32>(CAS);
}

/** For start, configuration and state changes only: it allocates. */
export function log(level: usize, text: string): void {
  const encoded = String.UTF8.encode(`pilotfish: ${text}`);
  proxy_log(level, changetype<usize>(encoded), <usize>encoded.byteLength);
}

/** Nanoseconds since the Unix epoch. */
export function now(): u64 {
  proxy_get_current_time_nanoseconds(WIDE);
  return load<u64>(WIDE);
}

/** A seed from the host's random source; the clock where it has none. */
export function randomSeed(): u64 {
  if (random_get(WIDE, 8) == 0) return load<u64>(WIDE);
  return now();
}

export function setTickPeriod(milliseconds: u32): void {
  proxy_set_tick_period_milliseconds(milliseconds);
}

export function getHeader(map: i32, name: Bytes): bool {
  return proxy_get_header_map_value(map, name.pointer, name.length, POINTER, LENGTH) == OK;
}
/** All headers at once, in the ABI's form. */
export function getHeaderPairs(map: i32): bool {
  return proxy_get_header_map_pairs(map, POINTER, LENGTH) == OK;
}
/** Bytes of all names and values. */
export function headerBytes(map: i32): u32 {
  return proxy_get_header_map_size(map, WORD) == OK ? load<u32>(WORD) : 0;
}
export function setHeader(map: i32, name: Bytes, value: usize, length: u32): void {
  proxy_replace_header_map_value(map, name.pointer, name.length, value, length);
}
export function removeHeader(map: i32, name: Bytes): void {
  proxy_remove_header_map_value(map, name.pointer, name.length);
}

/** Copies [start, start + length) of a buffer into the VM. False: the buffer is not there. */
export function getBuffer(type: i32, start: u32, length: u32): bool {
  return proxy_get_buffer_bytes(type, start, length, POINTER, LENGTH) == OK;
}

/** Replaces a whole buffer: `old` is its length. Envoy can replace no part. */
export function setBuffer(type: i32, start: u32, old: u32, data: usize, length: u32): bool {
  return proxy_set_buffer_bytes(type, start, old, data, length) == OK;
}

export function getProperty(path: Bytes): bool {
  return proxy_get_property(path.pointer, path.length, POINTER, LENGTH) == OK;
}
/** Becomes the filter state `wasm.<path>` of the stream. */
export function setProperty(path: Bytes, value: usize, length: u32): void {
  proxy_set_property(path.pointer, path.length, value, length);
}

export function getShared(key: Bytes): u32 {
  return proxy_get_shared_data(key.pointer, key.length, POINTER, LENGTH, CAS);
}
/** `cas` 0 sets the value without a condition. */
export function setShared(key: Bytes, value: usize, length: u32, cas: u32): u32 {
  return proxy_set_shared_data(key.pointer, key.length, value, length, cas);
}

export function defineMetric(type: i32, name: string): u32 {
  const encoded = bytesOf(name);
  if (proxy_define_metric(type, encoded.pointer, encoded.length, WORD) != OK) return 0;
  return load<u32>(WORD);
}
export function incrementMetric(id: u32, by: i64): void {
  proxy_increment_metric(id, by);
}
/** Over all workers. */
export function metricValue(id: u32): u64 {
  return proxy_get_metric(id, WIDE) == OK ? load<u64>(WIDE) : 0;
}
export function recordMetric(id: u32, value: u64): void {
  proxy_record_metric(id, value);
}

/** `headers` in the ABI's serialised form, see pairs.ts. */
export function sendLocalResponse(status: u32, details: Bytes, body: usize, bodyLength: u32, headers: Bytes): void {
  const noGrpcStatus: u32 = 0xffffffff;
  proxy_send_local_response(
    status,
    details.pointer,
    details.length,
    body,
    bodyLength,
    headers.pointer,
    headers.length,
    noGrpcStatus,
  );
}

/** Token of the queue with this name, which wakes this VM; 0 when the host has none. */
export function registerQueue(name: Bytes): u32 {
  return proxy_register_shared_queue(name.pointer, name.length, WORD) == OK ? load<u32>(WORD) : 0;
}
export function enqueue(queue: u32, data: usize, length: u32): void {
  proxy_enqueue_shared_queue(queue, data, length);
}
/** False: the queue is empty. */
export function dequeue(queue: u32): bool {
  return proxy_dequeue_shared_queue(queue, POINTER, LENGTH) == OK;
}

/** The following calls are about another stream of this VM. False: that stream is gone. */
export function setEffectiveContext(id: u32): bool {
  return proxy_set_effective_context(id) == OK;
}
/** Lets a request go on that was stopped. */
export function continueRequest(): void {
  proxy_continue_stream(REQUEST_STREAM);
}
