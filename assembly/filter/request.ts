// The request's way through the filter: headers are held until the body's end, then everything is decided once.
import { RESERVED_PREFIX } from "../../protocol/constants";
import { bytesOf } from "../host/bytes";
import {
  BODY_CONTINUE,
  BODY_STOP_AND_BUFFER,
  getBuffer,
  getHeader,
  HEADERS_CONTINUE,
  HEADERS_STOP,
  REQUEST_BODY,
  REQUEST_HEADERS,
  removeHeader,
  resultLength,
  resultPointer,
} from "../host/calls";
import { WINDOW_BYTES, windowPointer } from "../host/memory";
import { errorSentence } from "../scan/errors";
import { jsonErrorOffset, jsonFeed, jsonInit, jsonStatus } from "../scan/json";
import { count, INVALID_BODY, NO_BODY, REQUESTS, STRIPPED, UNREAD_BODY, UNTRACKED } from "../stats";
import { controlBody, controlHeaders } from "./control";
import { decide } from "./decide";
import { wantedFields } from "./fields";
import { BASE_MODEL, CONTENT_TYPE, DESTINATION, MODEL, PATH } from "./headers";
import { beginError, sendError } from "./reply";
import { findRoot } from "./root";
import {
  findStream,
  openStream,
  PHASE_PASS,
  PHASE_PUSH,
  PHASE_REPLIED,
  PHASE_SCAN,
  PHASE_SENT,
  Stream,
  stateOf,
} from "./streams";

const reservedPrefix = bytesOf(RESERVED_PREFIX);
const jsonType = bytesOf("application/json");

export function requestHeaders(id: u32, rootId: u32, endOfStream: bool): i32 {
  const root = findRoot(rootId);
  if (root === null) return HEADERS_CONTINUE;
  if (getHeader(REQUEST_HEADERS, PATH) && isReserved()) return controlHeaders(id, root, endOfStream);
  count(REQUESTS);
  stripControlHeaders();
  if (endOfStream) {
    count(NO_BODY);
    return HEADERS_CONTINUE;
  }
  if (!isJson()) {
    count(UNREAD_BODY);
    return HEADERS_CONTINUE;
  }
  const stream = openStream(id, changetype<usize>(root));
  if (stream === null) {
    count(UNTRACKED);
    return HEADERS_CONTINUE;
  }
  stream.phase = PHASE_SCAN;
  jsonInit(stateOf(stream), wantedFields());
  return HEADERS_STOP;
}

/** `length` counts from the body's start: all of it is buffered until the end. */
export function requestBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BODY_CONTINUE;
  if (stream.phase == PHASE_PUSH) return controlBody(stream, length, endOfStream);
  if (stream.phase == PHASE_REPLIED) return BODY_STOP_AND_BUFFER;
  if (stream.phase != PHASE_SCAN) return BODY_CONTINUE;
  stream.buffered = length;
  scan(stream, length, endOfStream);
  if (jsonStatus(stateOf(stream)) < 0) {
    refuseBody(stream);
    return BODY_STOP_AND_BUFFER;
  }
  if (!endOfStream) return BODY_STOP_AND_BUFFER;
  return finish(stream) ? BODY_CONTINUE : BODY_STOP_AND_BUFFER;
}

/** Trailers end a body whose last part said nothing of an end. */
export function requestTrailers(id: u32): i32 {
  const stream = findStream(id);
  if (stream === null) return HEADERS_CONTINUE;
  if (stream.phase == PHASE_PUSH) {
    controlBody(stream, 0xffffffff, true);
    return HEADERS_STOP;
  }
  if (stream.phase == PHASE_REPLIED) return HEADERS_STOP;
  if (stream.phase != PHASE_SCAN) return HEADERS_CONTINUE;
  scan(stream, stream.buffered, true);
  if (jsonStatus(stateOf(stream)) < 0) {
    refuseBody(stream);
    return HEADERS_STOP;
  }
  return finish(stream) ? HEADERS_CONTINUE : HEADERS_STOP;
}

function isReserved(): bool {
  return (
    resultLength() >= reservedPrefix.length &&
    memory.compare(resultPointer(), reservedPrefix.pointer, reservedPrefix.length) == 0
  );
}

/** No content type at all is read as JSON, as model servers do. */
function isJson(): bool {
  if (!getHeader(REQUEST_HEADERS, CONTENT_TYPE) || resultLength() == 0) return true;
  if (resultLength() < jsonType.length) return false;
  const given = resultPointer();
  for (let i: u32 = 0; i < jsonType.length; i++) {
    const c: u32 = load<u8>(given + i);
    if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) != load<u8>(jsonType.pointer + i)) return false;
  }
  if (resultLength() == jsonType.length) return true;
  const next: u32 = load<u8>(given + jsonType.length);
  return next == 0x3b || next == 0x20 || next == 0x09;
}

/** What a client says in a control header never survives, whatever its body is. */
function stripControlHeaders(): void {
  let found = false;
  if (getHeader(REQUEST_HEADERS, MODEL)) {
    removeHeader(REQUEST_HEADERS, MODEL);
    found = true;
  }
  if (getHeader(REQUEST_HEADERS, BASE_MODEL)) {
    removeHeader(REQUEST_HEADERS, BASE_MODEL);
    found = true;
  }
  if (getHeader(REQUEST_HEADERS, DESTINATION)) {
    removeHeader(REQUEST_HEADERS, DESTINATION);
    found = true;
  }
  if (found) count(STRIPPED);
}

/** Feeds the scanner all that it has not consumed of the first `length` bytes, window by window. */
function scan(stream: Stream, length: u32, last: bool): void {
  const state = stateOf(stream);
  do {
    let take = length > stream.consumed ? length - stream.consumed : 0;
    if (take > WINDOW_BYTES) take = WINDOW_BYTES;
    let read: u32 = 0;
    // The scanner writes around what it is given, so without bytes it still needs a place of its own.
    let data = windowPointer();
    if (take > 0 && getBuffer(REQUEST_BODY, stream.consumed, take)) {
      read = resultLength();
      if (read > 0) data = resultPointer();
    }
    const atEnd = last && stream.consumed + read >= length;
    const consumed = jsonFeed(state, data, read, atEnd);
    stream.consumed += consumed;
    if (jsonStatus(state) < 0 || atEnd || consumed == 0) return;
  } while (stream.consumed < length);
}

/** Sets the headers and lets the request go; false when it was refused. */
function finish(stream: Stream): bool {
  if (!decide(stream)) {
    stream.phase = PHASE_REPLIED;
    return false;
  }
  stream.phase = PHASE_SENT;
  return true;
}

function refuseBody(stream: Stream): void {
  count(INVALID_BODY);
  stream.phase = PHASE_REPLIED;
  const state = stateOf(stream);
  const writer = beginError();
  writer.raw("The body is not what a model server reads: ");
  writer.raw(errorSentence(-jsonStatus(state)));
  writer.raw(" (at byte ");
  writer.number(jsonErrorOffset(state));
  writer.raw(").");
  sendError(writer, 400, "", "invalid_json");
}
