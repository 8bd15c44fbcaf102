// Names of the headers and properties that the filter reads and writes, in the ABI's form.
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MODEL_HEADER, SECRET_HEADER } from "../../protocol/constants";
import { bytesOf } from "../host/bytes";

export const PATH = bytesOf(":path");
export const METHOD = bytesOf(":method");
export const CONTENT_TYPE = bytesOf("content-type");
export const CONTENT_LENGTH = bytesOf("content-length");
export const SECRET = bytesOf(SECRET_HEADER);
export const MODEL = bytesOf(MODEL_HEADER);
export const BASE_MODEL = bytesOf(BASE_MODEL_HEADER);
export const DESTINATION = bytesOf(DESTINATION_HEADER);

/** Filter state for access logs: %FILTER_STATE(wasm.pilotfish.model:PLAIN)% and so on. */
export const STATE_MODEL = bytesOf("pilotfish.model");
export const STATE_ENDPOINT = bytesOf("pilotfish.endpoint");
export const STATE_REASON = bytesOf("pilotfish.reason");
/** Path elements of a property are separated by a NUL. */
export const UPSTREAM_ADDRESS = bytesOf("upstream\0address");
