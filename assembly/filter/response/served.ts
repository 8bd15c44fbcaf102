// Which endpoint really served a request, and how. A retry, or Envoy's own choice, may lead to another endpoint than the pick,
// and an endpoint may fail. To ask the host costs more than all else that a response costs. So where responses are short, most
// of them are trusted: of those that came within the tick of their pick, one in SAMPLE is verified. A request that is still open
// at the next tick is verified then, before the other workers receive where it is: what is settled is always counted where it
// is. Trust grows with each response that was as expected. It falls where responses take longer, because a short one may be an
// error there. The first response that was not as expected ends it: all responses are verified until trust is back at TRUSTED.
// Streamed responses are always verified: the speed of their endpoint is learnt (endpoints/speed.ts), and their headers may come
// long before the prompt is read.
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
import { UPSTREAM_ADDRESS, UPSTREAM_ATTEMPTS } from "../headers/header-names";
import { leaveGarbage } from "../root";
import { nextStream, Stream } from "../streams";
import { beginLearning } from "./learn-response";
import { judgeResponse, responseStatus } from "./verdict";

/** From this trust on responses are trusted. */
const TRUSTED: i32 = 64;
const MAX_TRUST: i32 = 128;
/** What trust loses by a response that came in the next tick, as a few short ones do, and by one that took longer. */
const CHANCE: i32 = 2;
const DOUBT: i32 = 8;
const SAMPLE: u32 = 16;
/** With this many picks that Envoy did not follow, in this worker, the filter logs it once. */
const MANY_IGNORED: u32 = 20;

let trust: i32 = 0;
let turn: u32 = 0;
/** Streams with `unverified`. */
let unverified: u32 = 0;
let ignoredPicks: u32 = 0;

/** At the response's headers. True: the response is taken for the pick's, and for a good one. */
export function isTrusted(stream: Stream): bool {
  if (stream.countedOn == 0 || stream.streamed || stream.creates) return false;
  const late = ticks() - stream.sentTick;
  if (late > 0) {
    trust = max(trust - (late == 1 ? CHANCE : DOUBT), 0);
    return false;
  }
  if (trust < TRUSTED || ++turn % SAMPLE == 0) return false;
  // An endpoint that failed is watched until it has served.
  const entry = findEntry(stream.countedOn);
  if (entry === null || entry.health.failures) return false;
  stream.unverified = 1;
  unverified++;
  return true;
}

/** On the tick: verifies the trusted requests that are still open. */
export function verifySettled(): void {
  if (unverified == 0) return;
  for (let stream = nextStream(null); stream !== null; stream = nextStream(stream)) {
    if (!stream.unverified) continue;
    dropVerification(stream);
    if (setEffectiveContext(stream.id)) look(stream, false);
  }
}

/** The stream need not be verified any more. */
export function dropVerification(stream: Stream): void {
  if (!stream.unverified) return;
  stream.unverified = 0;
  unverified--;
}

/** At the response's headers: counts the stream where it is, and judges the endpoint. */
export function verify(stream: Stream): void {
  look(stream, true);
}

/** Later the headers cannot be read any more. But an error is no response that takes long. */
function look(stream: Stream, readsStatus: bool): void {
  const picked = stream.countedOn;
  const served = servedBy();
  const moved = served != 0 && served != picked;
  const retried = moved && moveTo(stream, picked);
  const status = readsStatus ? responseStatus() : 200;
  if (status != 200) stream.streamed = 0;
  if (moved || status >= 500) trust = 0;
  else if (trust < MAX_TRUST && !stream.streamed) trust++;
  if (stream.wouldPick) count(stream.wouldPick == served ? DRY_RUN_AGREED : DRY_RUN_DIFFERED);
  if (stream.creates && readsStatus) beginLearning(stream, status);
  judgeResponse(stream, status, served, retried ? picked : 0);
}

/** Hash of the address that answered, or that was tried last; 0: Envoy tried none. The host's result is the address then. */
function servedBy(): u64 {
  return getProperty(UPSTREAM_ADDRESS) && resultLength() > 0 ? textHash(resultPointer(), resultLength()) : 0;
}

/** Counts the request on the endpoint whose address servedBy() just read. True: Envoy had tried the pick before. */
function moveTo(stream: Stream, picked: u64): bool {
  const generation = stream.generation;
  stream.countedOn = startedAt(resultPointer(), resultLength());
  stream.generation = publishGeneration();
  if (picked == 0) return false;
  finished(picked, generation);
  moveTokens(stream, picked);
  if (stream.runningPrompt) movePrompt(changetype<Prompt>(stream.runningPrompt), stream.countedOn);
  stream.sentAt = 0;
  count(REROUTED);
  if (!getProperty(UPSTREAM_ATTEMPTS) || resultLength() != 8) return false;
  if (load<u64>(resultPointer()) > 1) return true;
  // Envoy chose another endpoint without having tried the pick.
  notFollowed();
  return false;
}

/** The first byte came, or never will: the prompt waits no more on the endpoint with this hash. */
export function dropTokens(stream: Stream, hash: u64): void {
  const entry = findEntry(hash);
  if (entry !== null) tokensDone(entry, stream.uncachedTokens);
  stream.uncachedTokens = 0;
}

/** Another endpoint than the picked one prefills the prompt. */
function moveTokens(stream: Stream, picked: u64): void {
  const tokens = stream.uncachedTokens;
  if (!tokens) return;
  dropTokens(stream, picked);
  const entry = findEntry(stream.countedOn);
  if (entry === null) return;
  tokensSent(entry, tokens, tickTime());
  stream.uncachedTokens = tokens;
}

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
