// Finds which endpoint served a request, and how. A retry or Envoy's own choice may lead to another endpoint than the pick, and an
// endpoint may fail. To verify a response, the filter asks the host, which costs more than everything else that a response costs. So
// the filter trusts most short responses: of the responses that come within the tick of their pick it verifies one in SAMPLE. At the
// next tick it verifies the trusted requests that are still open, before it publishes them. So a settled request is always counted
// on the endpoint that serves it.
//
// Trust is a number. It grows with each verified response that the pick's endpoint served without an error. It falls where responses
// take longer than a tick, because a short response may be an error there. The first error, or the first response of another
// endpoint, sets it to 0. Then the filter verifies all responses until trust is back at TRUSTED. It always verifies a streamed
// response: the filter learns the speed of the response's endpoint (endpoints/speed.ts), and the headers may come long before the
// endpoint has read the prompt.
import { DESTINATION_HEADER } from "../../../protocol/constants";
import { textHash } from "../../base/hash";
import { Prompt } from "../../endpoints/cache/prompt";
import { movePrompt } from "../../endpoints/cache/running-prompts";
import { findEntry } from "../../endpoints/entries";
import { finished, publishGeneration, startedAt } from "../../endpoints/in-flight";
import { tokensDone, tokensSent } from "../../endpoints/waiting-tokens";
import { getProperty, LOG_ERROR, log, resultLength, resultPointer, setEffectiveContext } from "../../host/calls";
import { ticks, tickTime } from "../../host/tick-time";
import { count, DRY_RUN_AGREED, DRY_RUN_DIFFERED, REROUTED, SETUP_NOT_FOLLOWED } from "../../stats";
import { shareLater, shareLess, shareLoad } from "../../workers/shared-load";
import { UPSTREAM_ADDRESS, UPSTREAM_ATTEMPTS } from "../headers/header-names";
import { stopMeasuring } from "../measure";
import { leaveGarbage } from "../root";
import { nextStream, Stream } from "../streams";
import { beginLearning } from "./learn-response";
import { judgeResponse, responseStatus } from "./verdict";

/** With at least this trust the filter trusts responses. */
const TRUSTED: i32 = 64;
const MAX_TRUST: i32 = 128;
/** Loss of trust by a response that came in the next tick, as a few short responses do. */
const CHANCE: i32 = 2;
/** Loss of trust by a response that took longer. */
const DOUBT: i32 = 8;
/** One in this many trusted responses is verified. */
const SAMPLE: u32 = 16;
/** When Envoy has not followed this many picks of this worker, the filter logs an error once. */
const MANY_IGNORED: u32 = 20;

let trust: i32 = 0;
/** Trusted responses so far; every SAMPLE-th is verified. */
let turn: u32 = 0;
/** Number of streams whose field `unverified` is 1. */
let unverified: u32 = 0;
let ignoredPicks: u32 = 0;

/** Call at the response's headers. True: the filter assumes that the picked endpoint sent the response, without an error. */
export function isTrusted(stream: Stream): bool {
  if (stream.countedOn == 0 || stream.streamed || stream.creates) return false;
  const late = ticks() - stream.sentTick;
  if (late > 0) {
    trust = max(trust - (late == 1 ? CHANCE : DOUBT), 0);
    return false;
  }
  if (trust < TRUSTED || ++turn % SAMPLE == 0) return false;
  // After a failure all responses of the endpoint are verified until the endpoint has served a whole response.
  const entry = findEntry(stream.countedOn);
  if (entry === null || entry.health.failures) return false;
  stream.unverified = 1;
  unverified++;
  return true;
}

/** Call on the tick. Verifies the trusted requests that are still open. */
export function verifySettled(): void {
  if (unverified == 0) return;
  for (let stream = nextStream(null); stream !== null; stream = nextStream(stream)) {
    if (!stream.unverified) continue;
    dropVerification(stream);
    if (setEffectiveContext(stream.id)) look(stream, false);
  }
}

/** Call when the stream need not be verified any more. */
export function dropVerification(stream: Stream): void {
  if (!stream.unverified) return;
  stream.unverified = 0;
  unverified--;
}

/** Call at the response's headers. Counts the stream on the endpoint that served it, and judges that endpoint. */
export function verify(stream: Stream): void {
  look(stream, true);
}

/**
 * Verifies a stream. `readsStatus`: the response's headers are still readable. On a tick they are not, and the status counts as 200,
 * because errors seldom take that long.
 */
function look(stream: Stream, readsStatus: bool): void {
  const picked = stream.countedOn;
  const served = servedBy();
  const moved = served != 0 && served != picked;
  const retried = moved && moveTo(stream, picked);
  const status = readsStatus ? responseStatus() : 200;
  if (status != 200) stream.streamed = 0;
  if (moved || status != 200) stopMeasuring(stream);
  if (moved || status >= 500) trust = 0;
  else if (trust < MAX_TRUST && !stream.streamed) trust++;
  if (stream.wouldPick) count(stream.wouldPick == served ? DRY_RUN_AGREED : DRY_RUN_DIFFERED);
  if (stream.creates && readsStatus) beginLearning(stream, status);
  judgeResponse(stream, status, served, retried ? picked : 0);
}

/** Returns the hash of the address that answered or was tried last; 0: Envoy tried none. Leaves the address as the host's result. */
function servedBy(): u64 {
  return getProperty(UPSTREAM_ADDRESS) && resultLength() > 0 ? textHash(resultPointer(), resultLength()) : 0;
}

/** Counts the request on the endpoint whose address servedBy() just read. Returns whether Envoy tried the picked endpoint before. */
function moveTo(stream: Stream, picked: u64): bool {
  const generation = stream.generation;
  stream.countedOn = startedAt(resultPointer(), resultLength());
  stream.generation = publishGeneration();
  if (picked == 0) return false;
  finished(picked, generation);
  moveTokens(stream, picked);
  shareLessAt(picked);
  shareAt(stream.countedOn);
  if (stream.runningPrompt) movePrompt(changetype<Prompt>(stream.runningPrompt), stream.countedOn);
  stream.sentAt = 0;
  count(REROUTED);
  if (!getProperty(UPSTREAM_ATTEMPTS) || resultLength() != 8) return false;
  if (load<u64>(resultPointer()) > 1) return true;
  // Envoy chose another endpoint and did not try the picked one.
  notFollowed();
  return false;
}

/** Call when the first byte came or will not come. The stream's tokens no longer wait at the endpoint with this hash. */
export function dropTokens(stream: Stream, hash: u64): void {
  const entry = findEntry(hash);
  if (entry !== null) tokensDone(entry, stream.uncachedTokens);
  stream.uncachedTokens = 0;
}

/** Tells the other workers that a request came to the endpoint with this hash. */
function shareAt(hash: u64): void {
  const entry = findEntry(hash);
  if (entry !== null) shareLoad(entry, tickTime());
}

/** Tells the other workers that a request left the endpoint with this hash, or that its tokens no longer wait. */
export function shareLessAt(hash: u64): void {
  const entry = findEntry(hash);
  if (entry !== null) shareLess(entry, tickTime());
}

/** Tells the other workers on the next tick at the latest. */
export function shareLaterAt(hash: u64): void {
  const entry = findEntry(hash);
  if (entry !== null) shareLater(entry);
}

/** Moves the stream's waiting tokens from the picked endpoint to the endpoint that serves the request. */
function moveTokens(stream: Stream, picked: u64): void {
  const tokens = stream.uncachedTokens;
  if (!tokens) return;
  dropTokens(stream, picked);
  const entry = findEntry(stream.countedOn);
  if (entry === null) return;
  tokensSent(entry, tokens, tickTime());
  stream.uncachedTokens = tokens;
}

/** Counts a pick that Envoy did not follow, and logs an error after MANY_IGNORED of them. */
function notFollowed(): void {
  count(SETUP_NOT_FOLLOWED);
  if (++ignoredPicks != MANY_IGNORED) return;
  leaveGarbage();
  log(
    LOG_ERROR,
    "picks are not followed: give the route's clusters a load balancing policy that reads " +
      DESTINATION_HEADER +
      " (override_host; in Envoy Gateway endpointOverride of a BackendTrafficPolicy), and the endpoints of the snapshot",
  );
}
