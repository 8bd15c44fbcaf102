// Who really served the request: a retry or Envoy's own choice may differ from the pick.
import { BODY_CONTINUE, getProperty, resultLength, resultPointer } from "../host/calls";
import { addressHash, finished, startedAt } from "../pick/inflight";
import { count, REROUTED } from "../stats";
import { UPSTREAM_ADDRESS } from "./headers";
import { renameBody, renameHeaders } from "./rename";
import { closeStream, findStream, PHASE_SENT } from "./streams";

export function responseHeaders(id: u32): void {
  const stream = findStream(id);
  if (stream === null || stream.phase != PHASE_SENT) return;
  if (stream.target) renameHeaders(stream);
  if (!getProperty(UPSTREAM_ADDRESS) || resultLength() == 0) return;
  const served = addressHash(resultPointer(), resultLength());
  if (served == stream.counted) return;
  const picked = stream.counted != 0;
  if (picked) {
    finished(stream.counted);
    count(REROUTED);
  }
  stream.counted = startedAt(resultPointer(), resultLength());
}

export function responseBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null || !stream.target) return BODY_CONTINUE;
  return renameBody(stream, length, endOfStream);
}

/** The stream is over, however it ended. */
export function streamDeleted(id: u32): void {
  const stream = findStream(id);
  if (stream === null) return;
  if (stream.counted != 0) finished(stream.counted);
  closeStream(stream);
}
