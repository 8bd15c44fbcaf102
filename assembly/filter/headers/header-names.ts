// Names of the headers and properties that the filter reads and writes, as bytes in static memory.
import {
  BASE_MODEL_HEADER,
  DEBUG_HEADER,
  DESTINATION_HEADER,
  EXPLAIN_HEADER,
  FAIRNESS_HEADER,
  MODEL_HEADER,
  OBJECTIVE_HEADER,
  SECRET_HEADER,
} from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";

export const PATH = bytesOf(":path");
export const METHOD = bytesOf(":method");
export const UPGRADE = bytesOf("upgrade");
// Values of the header :method.
export const GET = bytesOf("GET");
export const POST = bytesOf("POST");
export const STATUS = bytesOf(":status");
export const CONTENT_TYPE = bytesOf("content-type");
export const CONTENT_LENGTH = bytesOf("content-length");
export const CONTENT_ENCODING = bytesOf("content-encoding");
export const ACCEPT_ENCODING = bytesOf("accept-encoding");
export const SECRET = bytesOf(SECRET_HEADER);
export const DESTINATION = bytesOf(DESTINATION_HEADER);
export const COOKIE = bytesOf("cookie");
export const DEBUG = bytesOf(DEBUG_HEADER);
export const EXPLAIN = bytesOf(EXPLAIN_HEADER);
export const MODEL = bytesOf(MODEL_HEADER);
export const BASE_MODEL = bytesOf(BASE_MODEL_HEADER);
export const OBJECTIVE = bytesOf(OBJECTIVE_HEADER);
export const FAIRNESS = bytesOf(FAIRNESS_HEADER);
/** Request header that asks an endpoint for a load report (ORCA). */
export const LOAD_REPORT_FORMAT = bytesOf("endpoint-load-metrics-format");
/** Response header with the load report. */
export const LOAD_REPORT = bytesOf("endpoint-load-metrics");

/** Filter state for access logs, which read it by %FILTER_STATE(wasm.pilotfish.model:PLAIN)%. */
export const STATE_MODEL = bytesOf("pilotfish.model");
export const STATE_ENDPOINT = bytesOf("pilotfish.endpoint");
export const STATE_REASON = bytesOf("pilotfish.reason");
// A NUL separates the path elements of a property.
/** Address of the endpoint that answered or was tried last. */
export const UPSTREAM_ADDRESS = bytesOf("upstream\0address");
/** u64: how many times Envoy sent the request; 1: Envoy did not retry. */
export const UPSTREAM_ATTEMPTS = bytesOf("upstream\0request_attempt_count");
/** u64: Envoy's response flags, one bit for each flag. */
export const RESPONSE_FLAGS = bytesOf("response\0flags");
/** i64: bytes of the request's headers and body that Envoy has received so far. */
export const REQUEST_TOTAL_SIZE = bytesOf("request\0total_size");
/** Text: who made the response. The router writes `via_upstream`, `direct_response` or `route_not_found`. */
export const RESPONSE_DETAILS = bytesOf("response\0code_details");
