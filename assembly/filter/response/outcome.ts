// What answers tell about the pods that gave them: failures eject a pod (endpoints/health.ts), for all workers at once, and the
// first byte of a streamed answer tells how fast it is (endpoints/speed.ts).
import { learnDuration } from "../../endpoints/adapters";
import { findEntry } from "../../endpoints/entries";
import { EjectionLimits, endpointFailed, endpointServed } from "../../endpoints/health";
import { learnSpeed } from "../../endpoints/speed";
import { getHeader, getProperty, now, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { count, EJECTED, POD_FAILED } from "../../stats";
import { publishEjection } from "../../workers/ejections";
import { RESPONSE_FLAGS, STATUS } from "../headers/names";
import { Root } from "../root";
import { Stream } from "../streams";

/** Of response.flags: what was the pod's doing. A reset, a lost connection, an answer that ended before its end. */
const UPSTREAM_LOST: u64 = 0x800050;
/** What was Envoy's or somebody else's: no host, circuit breaker, no route, faults, limits, authorization, the client. */
const NOT_THE_PODS: u64 = 0x27f82;

/** Status of the answer; 0 when it has none. */
export function answerStatus(): u32 {
  if (!getHeader(RESPONSE_HEADERS, STATUS) || resultLength() != 3) return 0;
  const text = resultPointer();
  return (load<u8>(text) - 0x30) * 100 + (load<u8>(text, 1) - 0x30) * 10 + load<u8>(text, 2) - 0x30;
}

/**
 * At the answer's headers. `served`: hash of the address that answered, or that Envoy tried last; `retriedFrom`: of the
 * pick, when Envoy tried it and went elsewhere.
 */
export function judgeAnswer(stream: Stream, status: u32, served: u64, retriedFrom: u64): void {
  const limits = limitsOf(stream);
  if (limits.failures == 0) return;
  if (retriedFrom) failed(limits, retriedFrom);
  if (served == 0) return;
  if (status != 500 && (status < 502 || status > 504)) return;
  stream.failed = 1;
  if ((flags() & NOT_THE_PODS) == 0) failed(limits, served);
}

/** The stream ended before its answer did: the client went, or the pod. */
export function judgeBreak(stream: Stream): void {
  const limits = limitsOf(stream);
  if (limits.failures && stream.counted && flags() & UPSTREAM_LOST) failed(limits, stream.counted);
}

/** The first byte of an answer's body. Only of a streamed one it matters to less than a tick when that was. */
export function answerBegan(stream: Stream): void {
  if (stream.sentAt == 0) return;
  if (!stream.streamed) {
    stream.sentAt = tickTime();
    return;
  }
  const time = now();
  const entry = findEntry(stream.counted);
  if (entry !== null && stream.predicted > 0) learnSpeed(entry, <f32>(time - stream.sentAt) * 1e-9, stream.predicted);
  stream.sentAt = time;
}

/** The answer is whole. One that was begun only is none yet: a pod that breaks all of them off is no better than a dead one. */
export function answerEnded(stream: Stream): void {
  stream.answered = 2;
  const entry = findEntry(stream.counted);
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
