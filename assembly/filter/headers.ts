// Names of the headers and properties that the filter reads and writes, in the ABI's form.
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MODEL_HEADER, SECRET_HEADER } from "../../protocol/constants";
import { BodyConfig } from "../config/body";
import { Bytes, bytesEqual, bytesOf } from "../host/bytes";
import { getHeader, REQUEST_HEADERS, removeHeader } from "../host/calls";
import { count, STRIPPED } from "../stats";

export const PATH = bytesOf(":path");
export const METHOD = bytesOf(":method");
export const CONTENT_TYPE = bytesOf("content-type");
export const CONTENT_LENGTH = bytesOf("content-length");
export const CONTENT_ENCODING = bytesOf("content-encoding");
export const ACCEPT_ENCODING = bytesOf("accept-encoding");
export const SECRET = bytesOf(SECRET_HEADER);
export const DESTINATION = bytesOf(DESTINATION_HEADER);
const MODEL = bytesOf(MODEL_HEADER);
const BASE_MODEL = bytesOf(BASE_MODEL_HEADER);

/** Filter state for access logs: %FILTER_STATE(wasm.pilotfish.model:PLAIN)% and so on. */
export const STATE_MODEL = bytesOf("pilotfish.model");
export const STATE_ENDPOINT = bytesOf("pilotfish.endpoint");
export const STATE_REASON = bytesOf("pilotfish.reason");
/** Path elements of a property are separated by a NUL. */
export const UPSTREAM_ADDRESS = bytesOf("upstream\0address");
/** u64: 1 for a request that was not retried. */
export const UPSTREAM_ATTEMPTS = bytesOf("upstream\0request_attempt_count");
/** i64: bytes of the request received so far, headers and body. */
export const REQUEST_TOTAL_SIZE = bytesOf("request\0total_size");

/** What a client says in a control header, or in one that a body field is written to, never survives. */
export function stripControlHeaders(body: BodyConfig): void {
  let found = strip(MODEL) | strip(BASE_MODEL) | strip(DESTINATION);
  if (body.fields.length > 1 || !isName(body.fields[0].header, MODEL)) {
    for (let i = 0; i < body.fields.length; i++) found |= strip(unchecked(body.fields[i]).header);
  }
  if (found) count(STRIPPED);
}

function isName(a: Bytes, b: Bytes): bool {
  return bytesEqual(a.pointer, a.length, b.pointer, b.length);
}

function strip(name: Bytes): u32 {
  if (name.length == 0 || !getHeader(REQUEST_HEADERS, name)) return 0;
  removeHeader(REQUEST_HEADERS, name);
  return 1;
}
