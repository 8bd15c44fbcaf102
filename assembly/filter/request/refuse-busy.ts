// Refuses requests for which there is no room now. These refusals have a Retry-After header, because the filter may accept the same
// request later.
import { Bytes, bytesOf } from "../../base/bytes";
import { Writer } from "../../base/writer";
import { AdmissionConfig } from "../../config/admission-config";
import { setProperty } from "../../host/calls";
import { count, HOLD_NO_ENDPOINT } from "../../stats";
import { STATE_REASON } from "../headers/header-names";
import { beginError, sendBusy } from "../local-reply";
import { PHASE_REPLIED, Stream } from "../streams";

const SATURATED_REASON = bytesOf("saturated");
const FULL_REASON = bytesOf("queue_full");
const LATE_REASON = bytesOf("hold_timeout");
const ABSENT_REASON = bytesOf("no_endpoint");

/** Refuses a request whose priority is below 0, because its pool is saturated. */
export function refuseSaturated(stream: Stream, admission: AdmissionConfig, counter: u32): void {
  const writer = begin(stream, counter, SATURATED_REASON);
  writer.raw("All endpoints of the model are busy, and this request's priority is below 0. Try again later.");
  sendBusy(writer, 429, "rate_limit_error", "saturated", admission.busyHeaders);
}

/** Refuses a request because the queue is full, or because a request of a higher priority displaced it from the queue. */
export function refuseFull(stream: Stream, admission: AdmissionConfig, counter: u32): void {
  const writer = begin(stream, counter, FULL_REASON);
  writer.raw("All endpoints of the model are busy, and no more requests may wait for them. Try again later.");
  sendBusy(writer, 429, "rate_limit_error", "queue_full", admission.busyHeaders);
}

/** Refuses a request that has waited as long as a request may wait. */
export function refuseLate(stream: Stream, admission: AdmissionConfig, counter: u32): void {
  const absent = counter == HOLD_NO_ENDPOINT;
  const writer = begin(stream, counter, absent ? ABSENT_REASON : LATE_REASON);
  writer.raw(
    absent
      ? "No endpoint serves the model now, and none has come while the request waited. Try again later."
      : "All endpoints of the model were busy for as long as a request may wait. Try again later.",
  );
  sendBusy(writer, 503, "server_error", absent ? "no_endpoint" : "hold_timeout", admission.busyHeaders);
}

function begin(stream: Stream, counter: u32, reason: Bytes): Writer {
  count(counter);
  stream.phase = PHASE_REPLIED;
  setProperty(STATE_REASON, reason.pointer, reason.length);
  return beginError();
}
