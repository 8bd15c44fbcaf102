// What answers tell about the pods that gave them: failures eject a pod (endpoints/health.ts), for all workers at once, and the
// first byte of a streamed answer tells how fast it is (endpoints/speed.ts).
//   pilotfish.ejected   per pod: u64 hash, u64 ns until when, u32 ms it is out, u32 how many times in a row. Written when a
//                       pod is ejected; the bulletin says how often that was.
import { Bytes, bytesOf } from "../../base/bytes";
import { learnDuration } from "../../endpoints/adapters";
import { Entry, findEntry } from "../../endpoints/entries";
import { eject, podFailed, podServed } from "../../endpoints/health";
import { learnSpeed } from "../../endpoints/speed";
import {
  getHeader,
  getProperty,
  getShared,
  now,
  OK,
  RESPONSE_HEADERS,
  resultCas,
  resultLength,
  resultPointer,
  setShared,
} from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { Profile } from "../../pick/profile";
import { count, EJECTED, POD_FAILED } from "../../stats";
import { EJECTIONS, onBulletin, raise } from "../../workers/bulletin";
import { RESPONSE_FLAGS, STATUS } from "../headers/names";
import { Root } from "../root";
import { Stream } from "../streams";

/** Of response.flags: what was the pod's doing. A reset, a lost connection, an answer that ended before its end. */
const UPSTREAM_LOST: u64 = 0x800050;
/** What was Envoy's or somebody else's: no host, circuit breaker, no route, faults, limits, authorization, the client. */
const NOT_THE_PODS: u64 = 0x27f82;

const KEY: Bytes = bytesOf("pilotfish.ejected");
const RECORD: u32 = 24;
const MOST: u32 = 256;
/** A pod is told of for this long after it came back, so that all workers know how often it was out. */
const REMEMBERED: u64 = 600000000000;
const told: usize = memory.data(6144, 8);
let seen: u64 = 0;

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
  const profile = policyOf(stream);
  if (profile.failures == 0) return;
  if (retriedFrom) failed(profile, retriedFrom);
  if (served == 0) return;
  if (status != 500 && (status < 502 || status > 504)) return;
  stream.failed = 1;
  if ((flags() & NOT_THE_PODS) == 0) failed(profile, served);
}

/** The stream ended before its answer did: the client went, or the pod. */
export function judgeBreak(stream: Stream): void {
  const profile = policyOf(stream);
  if (profile.failures && stream.counted && flags() & UPSTREAM_LOST) failed(profile, stream.counted);
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
  if (entry !== null && entry.failures && !stream.failed) podServed(entry);
  const time = tickTime();
  if (stream.sentAt && time > stream.sentAt) learnDuration(<f32>(time - stream.sentAt) * 1e-9);
}

function policyOf(stream: Stream): Profile {
  return changetype<Root>(stream.root).config.pick.profile;
}

function flags(): u64 {
  return getProperty(RESPONSE_FLAGS) && resultLength() == 8 ? load<u64>(resultPointer()) : 0;
}

function failed(profile: Profile, hash: u64): void {
  const entry = findEntry(hash);
  if (entry === null) return;
  count(POD_FAILED);
  if (!podFailed(entry, profile, now())) return;
  count(EJECTED);
  tell(entry);
}

/** Tells the other workers. */
function tell(entry: Entry): void {
  const time = entry.ejectedUntil;
  for (let attempt = 0; attempt < 8; attempt++) {
    const known = getShared(KEY) == OK;
    const cas = known ? resultCas() : 0;
    const from = resultPointer();
    const records = known ? resultLength() / RECORD : 0;
    let kept: u32 = 0;
    for (let i: u32 = 0; i < records && kept < MOST - 1; i++) {
      const record = from + i * RECORD;
      if (load<u64>(record) == entry.hash || load<u64>(record, 8) + REMEMBERED < time) continue;
      memory.copy(told + ++kept * RECORD, record, RECORD);
    }
    // The newest first: what does not fit is the oldest.
    store<u64>(told, entry.hash);
    store<u64>(told, time, 8);
    store<u32>(told, entry.ejectionMilliseconds, 16);
    store<u32>(told, entry.ejections, 20);
    if (setShared(KEY, told, (kept + 1) * RECORD, cas) == OK) break;
  }
  raise(EJECTIONS, u64.MAX_VALUE);
}

/** After the bulletin was read: takes over what other workers ejected. */
export function hearEjections(): void {
  if (onBulletin(EJECTIONS) == seen) return;
  seen = onBulletin(EJECTIONS);
  if (getShared(KEY) != OK) return;
  const from = resultPointer();
  const records = resultLength() / RECORD;
  for (let i: u32 = 0; i < records; i++) {
    const record = from + i * RECORD;
    const entry = findEntry(load<u64>(record));
    const until = load<u64>(record, 8);
    if (entry !== null && until > entry.ejectedUntil) eject(entry, until, load<u32>(record, 16), load<u32>(record, 20));
  }
}
