// Sends local replies. A refusal is JSON in OpenAI's error shape and has a stable code.
import { Bytes, bytesOf } from "../base/bytes";
import { Writer, writeTo } from "../base/writer";
import { sendLocalResponse } from "../host/calls";
import { pairsOf } from "../host/pairs";

const ERROR_BYTES: u32 = 2048;
const buffer: usize = memory.data(ERROR_BYTES);
const jsonHeaders: Bytes = pairsOf(["content-type", "application/json"]);
const bytesHeaders: Bytes = pairsOf(["content-type", "application/octet-stream"]);
const details: Bytes = bytesOf("pilotfish");

/**
 * Begins an error body. Write the message with the returned writer, then call sendError() or sendBusy(). Escape every part of the
 * message that came from a client.
 */
export function beginError(): Writer {
  const writer = writeTo(buffer, ERROR_BYTES);
  writer.raw('{"error":{"message":"');
  return writer;
}

/**
 * Ends the error body and sends it. `param` names the field of the body that is at fault; an empty `param` becomes null. Only a
 * 409 has one of the last two arguments: `version` of the stored snapshot, or the milliseconds `leaseMs` until the lease of
 * another sidecar's snapshot ends.
 */
export function sendError(
  writer: Writer,
  status: u32,
  param: string,
  code: string,
  version: u64 = 0,
  leaseMs: u64 = 0,
): void {
  writer.raw('","type":"invalid_request_error","param":');
  if (param.length) {
    writer.byte(0x22);
    writer.raw(param);
    writer.byte(0x22);
  } else writer.raw("null");
  writer.raw(',"code":"');
  writer.raw(code);
  writer.raw('"}');
  if (version != 0) {
    writer.raw(',"version":"');
    writer.number(version);
    writer.byte(0x22);
  }
  if (leaseMs != 0) {
    writer.raw(',"heldMs":');
    writer.number(leaseMs);
  }
  writer.byte(0x7d);
  sendJson(status, writer.start, writer.length);
}

export function sendBytes(status: u32, body: usize, length: u32): void {
  sendLocalResponse(status, details, body, length, bytesHeaders);
}

/** Ends the error body and sends it, for a request that the filter may accept later. `headers` include Retry-After. */
export function sendBusy(writer: Writer, status: u32, type: string, code: string, headers: Bytes): void {
  writer.raw('","type":"');
  writer.raw(type);
  writer.raw('","param":null,"code":"');
  writer.raw(code);
  writer.raw('"}}');
  sendLocalResponse(status, details, writer.start, writer.length, headers);
}

export function sendJson(status: u32, body: usize, length: u32): void {
  sendLocalResponse(status, details, body, length, jsonHeaders);
}
