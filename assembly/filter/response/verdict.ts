// What responses say about the endpoints that sent them. Failures eject an endpoint (endpoints/health.ts), for all workers at
// once. The first byte of a streamed response says how fast its endpoint is (endpoints/speed.ts).
import { learnDuration } from "../../endpoints/adapters";
import { findEntry } from "../../endpoints/entries";
import { EjectionLimits, endpointFailed, endpointServed } from "../../endpoints/health";
import { learnSpeed } from "../../endpoints/speed";
import { getHeader, getProperty, now, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { count, EJECTED, POD_FAILED } from "../../stats";
import { publishEjection } from "../../workers/ejections";
import { RESPONSE_FLAGS, STATUS } from "../headers/header-names";
import { Root } from "../root";
import { Stream } from "../streams";

/** Flags of response.flags for the endpoint's fault: a reset, a lost connection, a response that broke off. */
const UPSTREAM_LOST: u64 = 0x800050;
/** Flags for the fault of Envoy or others: no host, circuit breaker, no route, faults, limits, authorization, the client. */
const NOT_THE_ENDPOINT: u64 = 0x27f82;

/** Status of the response; 0 when it has none. */
export function responseStatus(): u32 {
  if (!getHeader(RESPONSE_HEADERS, STATUS) || resultLength() != 3) return 0;
  const text = resultPointer();
  return (load<u8>(text) - 0x30) * 100 + (load<u8>(text, 1) - 0x30) * 10 + load<u8>(text, 2) - 0x30;
}

/**
 * At the response's headers. `served`: hash of the address that answered, or that Envoy tried last; 0: none. `retriedFrom`:
 * hash of the pick, when Envoy tried it and went elsewhere; else 0.
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

/** The stream ended before its response did: the client went, or the endpoint. */
export function judgeBreak(stream: Stream): void {
  const limits = limitsOf(stream);
  if (limits.failures && stream.countedOn && flags() & UPSTREAM_LOST) failed(limits, stream.countedOn);
}

/** The first byte of a response's body. For a response that is not streamed the time of the last tick is good enough. */
export function responseBegan(stream: Stream): void {
  if (stream.sentAt == 0) return;
  if (!stream.streamed) {
    stream.sentAt = tickTime();
    return;
  }
  const time = now();
  const entry = findEntry(stream.countedOn);
  if (entry !== null && stream.predicted > 0) learnSpeed(entry, <f32>(time - stream.sentAt) * 1e-9, stream.predicted);
  stream.sentAt = time;
}

/** The response is whole. Only then the endpoint has served: one that breaks all responses off is no better than a dead one. */
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

function failed(limits: EjectionLimits, hash: u64): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  count(POD_FAILED);
  if (!endpointFailed(entry, limits, now())) return;
  count(EJECTED);
  publishEjection(entry);
}
