// Names of the headers and properties that the filter reads and writes, in the ABI's form.
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
// Methods.
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
/** Asks an endpoint for a load report (ORCA), and the report in the answer. */
export const LOAD_REPORT_FORMAT = bytesOf("endpoint-load-metrics-format");
export const LOAD_REPORT = bytesOf("endpoint-load-metrics");

/** Filter state for access logs: %FILTER_STATE(wasm.pilotfish.model:PLAIN)% and so on. */
export const STATE_MODEL = bytesOf("pilotfish.model");
export const STATE_ENDPOINT = bytesOf("pilotfish.endpoint");
export const STATE_REASON = bytesOf("pilotfish.reason");
/** Path elements of a property are separated by a NUL. */
export const UPSTREAM_ADDRESS = bytesOf("upstream\0address");
/** u64: how often the request was sent; 1: it was not retried. */
export const UPSTREAM_ATTEMPTS = bytesOf("upstream\0request_attempt_count");
/** u64: a bit for each of Envoy's response flags. */
export const RESPONSE_FLAGS = bytesOf("response\0flags");
/** i64: bytes of the request received so far, headers and body. */
export const REQUEST_TOTAL_SIZE = bytesOf("request\0total_size");
/** Who made the response: the router says `via_upstream`, `direct_response` or `route_not_found`. */
export const RESPONSE_DETAILS = bytesOf("response\0code_details");
