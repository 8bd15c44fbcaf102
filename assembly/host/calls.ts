// Every call to the proxy-wasm host (ABI 0.2.1). The functions are thin and, unless their comment says otherwise, allocate nothing.
// Only this file and abort.ts import the SDK. A call that returns bytes writes them at resultPointer(), and their number is
// resultLength(). memory.ts has the rule for how long the bytes are valid.
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

/** Memory that host calls write their results into. */
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

/** Logs a line. Allocates, so call it only at the start, at a configuration and at changes of state. */
export function log(level: usize, text: string): void {
  const encoded = String.UTF8.encode(`pilotfish: ${text}`);
  proxy_log(level, changetype<usize>(encoded), <usize>encoded.byteLength);
}

/** Returns nanoseconds since the Unix epoch. */
export function now(): u64 {
  proxy_get_current_time_nanoseconds(WIDE);
  return load<u64>(WIDE);
}

/** Returns a seed from the host's random source; the clock's time if the host has no random source. */
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
/** Reads all headers at once, in the ABI's form (pairs.ts). */
export function getHeaderPairs(map: i32): bool {
  return proxy_get_header_map_pairs(map, POINTER, LENGTH) == OK;
}
/** Returns the number of bytes of all names and values. */
export function headerBytes(map: i32): u32 {
  return proxy_get_header_map_size(map, WORD) == OK ? load<u32>(WORD) : 0;
}
export function setHeader(map: i32, name: Bytes, value: usize, length: u32): void {
  proxy_replace_header_map_value(map, name.pointer, name.length, value, length);
}
export function removeHeader(map: i32, name: Bytes): void {
  proxy_remove_header_map_value(map, name.pointer, name.length);
}

/** Copies the bytes [start, start + length) of a buffer into the VM. Returns false when the buffer does not exist. */
export function getBuffer(type: i32, start: u32, length: u32): bool {
  return proxy_get_buffer_bytes(type, start, length, POINTER, LENGTH) == OK;
}

/** Replaces a whole buffer; `old` is its length. Envoy cannot replace a part of a buffer. */
export function setBuffer(type: i32, start: u32, old: u32, data: usize, length: u32): bool {
  return proxy_set_buffer_bytes(type, start, old, data, length) == OK;
}

export function getProperty(path: Bytes): bool {
  return proxy_get_property(path.pointer, path.length, POINTER, LENGTH) == OK;
}
/** Sets a property. The value becomes the stream's filter state `wasm.<path>`. */
export function setProperty(path: Bytes, value: usize, length: u32): void {
  proxy_set_property(path.pointer, path.length, value, length);
}

export function getShared(key: Bytes): u32 {
  return proxy_get_shared_data(key.pointer, key.length, POINTER, LENGTH, CAS);
}
/** Sets the value if its compare-and-swap number is still `cas`; 0 sets the value without a condition. Returns the host's status. */
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
/** Returns a metric's value, summed over all workers. */
export function metricValue(id: u32): u64 {
  return proxy_get_metric(id, WIDE) == OK ? load<u64>(WIDE) : 0;
}
export function recordMetric(id: u32, value: u64): void {
  proxy_record_metric(id, value);
}

/** Answers the request with a local reply. `headers` are in the ABI's form (pairs.ts). */
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

/** Opens the queue with this name, whose messages wake this VM. Returns the queue's token; 0: the host has no queues. */
export function registerQueue(name: Bytes): u32 {
  return proxy_register_shared_queue(name.pointer, name.length, WORD) == OK ? load<u32>(WORD) : 0;
}
export function enqueue(queue: u32, data: usize, length: u32): void {
  proxy_enqueue_shared_queue(queue, data, length);
}
/** Takes the next message. Returns false when the queue is empty. */
export function dequeue(queue: u32): bool {
  return proxy_dequeue_shared_queue(queue, POINTER, LENGTH) == OK;
}

/** Makes the following host calls refer to another stream of this VM. Returns false when that stream is gone. */
export function setEffectiveContext(id: u32): bool {
  return proxy_set_effective_context(id) == OK;
}
/** Lets a stopped request go on. */
export function continueRequest(): void {
  proxy_continue_stream(REQUEST_STREAM);
}
