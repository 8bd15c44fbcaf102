// The verdict of a response: what the response says about the endpoint that sent it. Failed responses eject an endpoint
// (endpoints/health.ts), for all workers. The first byte of a streamed response shows the endpoint's speed (endpoints/speed.ts).
import { learnDuration } from "../../endpoints/durations";
import { findEntry } from "../../endpoints/entries";
import { EjectionLimits, endpointFailed, endpointServed } from "../../endpoints/health";
import { learnSpeed } from "../../endpoints/speed";
import { getHeader, getProperty, now, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { count, EJECTED, POD_FAILED } from "../../stats";
import { publishEjection } from "../../workers/ejections";
import { RESPONSE_FLAGS, STATUS } from "../headers/header-names";
import { measureFirstByte, measureSeconds } from "../measure";
import { Root } from "../root";
import { Stream } from "../streams";

/** Bits of `response.flags` that blame the endpoint: a reset, a lost connection, a response that broke off. */
const UPSTREAM_LOST: u64 = 0x800050;
/** Bits that blame Envoy or others: no host, circuit breaker, no route, injected faults, limits, authorization, the client. */
const NOT_THE_ENDPOINT: u64 = 0x27f82;

/** Returns the HTTP status of the response; 0 if the response has no status. */
export function responseStatus(): u32 {
  if (!getHeader(RESPONSE_HEADERS, STATUS) || resultLength() != 3) return 0;
  const text = resultPointer();
  return (load<u8>(text) - 0x30) * 100 + (load<u8>(text, 1) - 0x30) * 10 + load<u8>(text, 2) - 0x30;
}

/**
 * Call at the response's headers. `served` is the hash of the address that answered or that Envoy tried last; 0: Envoy tried none.
 * `retriedFrom` is the hash of the picked endpoint if Envoy tried that endpoint before it tried another one; else 0.
 */
export function judgeResponse(stream: Stream, status: u32, served: u64, retriedFrom: u64): void {
  const limits = limitsOf(stream);
  if (limits.failures == 0) return;
  if (retriedFrom) failed(limits, retriedFrom);
  if (served == 0) return;
  if (status != 500 && (status < 502 || status > 504)) return;
  stream.failed = 1;
  if ((flags() & NOT_THE_ENDPOINT) == 0) failed(limits, served);
}

/** Call when the stream ends before its response does: the client went away, or the endpoint broke off. */
export function judgeBreak(stream: Stream): void {
  const limits = limitsOf(stream);
  if (limits.failures && stream.countedOn && flags() & UPSTREAM_LOST) failed(limits, stream.countedOn);
}

/** Call at the first byte of a response's body. For a response that is not streamed the time of the last tick is exact enough. */
export function responseBegan(stream: Stream): void {
  measureFirstByte(stream);
  if (stream.sentAt == 0) return;
  if (!stream.streamed) {
    stream.sentAt = tickTime();
    return;
  }
  const time = now();
  const entry = findEntry(stream.countedOn);
  if (stream.predicted > 0) {
    const seconds = <f64>(time - stream.sentAt) * 1e-9;
    measureSeconds(stream, seconds);
    if (entry !== null) learnSpeed(entry, <f32>seconds, stream.predicted, time);
  }
  stream.sentAt = time;
}

/** Call when the response is whole. Only a whole response clears failures: an endpoint that breaks off all responses serves nobody. */
export function responseEnded(stream: Stream): void {
  stream.answered = 2;
  const entry = findEntry(stream.countedOn);
  if (entry !== null && entry.health.failures && !stream.failed) endpointServed(entry);
  const time = tickTime();
  if (stream.sentAt && time > stream.sentAt) learnDuration(<f32>(time - stream.sentAt) * 1e-9);
}

function limitsOf(stream: Stream): EjectionLimits {
  return changetype<Root>(stream.root).config.pick.profile.ejection;
}

function flags(): u64 {
  return getProperty(RESPONSE_FLAGS) && resultLength() == 8 ? load<u64>(resultPointer()) : 0;
}

/** Counts a failed response of the endpoint with this hash, and ejects the endpoint if it failed too often. */
function failed(limits: EjectionLimits, hash: u64): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  count(POD_FAILED);
  if (!endpointFailed(entry, limits, now())) return;
  count(EJECTED);
  publishEjection(entry);
}
