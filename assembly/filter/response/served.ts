// Who really served a request, and how: a retry, or Envoy's own choice, may differ from the pick, and a pod may fail. To ask
// costs more than all else that an answer costs, so where answers are short, most of them are taken on trust: of those that
// came within the tick of their pick, one in SAMPLE is looked at. One that is still open at the next tick is looked at then,
// before the other workers hear of its place: what lasts is always counted where it is. Trust grows with each answer that
// was as expected, falls where answers take longer (a short one may be an error there), and is gone with the first one that
// was not as expected: from then on all are looked at. Streamed answers always are: their speed is learnt (endpoints/speed.ts), and
// their headers may come long before the prompt is read.

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
import { UPSTREAM_ADDRESS, UPSTREAM_ATTEMPTS } from "../headers/names";
import { leaveGarbage } from "../root";
import { nextStream, Stream } from "../streams";
import { beginLearning } from "./learn-response";
import { answerStatus, judgeAnswer } from "./outcome";

const TRUSTED: i32 = 64;
const MOST_TRUST: i32 = 128;
/** What an answer takes that came in the next tick, as a few short ones do, and what a longer one takes. */
const CHANCE: i32 = 2;
const DOUBT: i32 = 8;
const SAMPLE: u32 = 16;
/** Picks that were not followed, in this worker; at MANY_IGNORED it is said once. */
const MANY_IGNORED: u32 = 20;

let trust: i32 = 0;
let turn: u32 = 0;
/** Streams with `unasked`. */
let unasked: u32 = 0;
let ignoredPicks: u32 = 0;

/** The answer's headers came. True: it is taken to be the pick's, and a good one. */
export function isTrusted(stream: Stream): bool {
  if (stream.counted == 0 || stream.streamed || stream.creates) return false;
  const late = ticks() - stream.decidedIn;
  if (late > 0) {
    trust = max(trust - (late == 1 ? CHANCE : DOUBT), 0);
    return false;
  }
  if (trust < TRUSTED || ++turn % SAMPLE == 0) return false;
  // A pod that failed is watched until it has served.
  const entry = findEntry(stream.counted);
  if (entry === null || entry.health.failures) return false;
  stream.unasked = 1;
  unasked++;
  return true;
}

/** On the tick: what was taken for short and still lasts. */
export function lookAtLasting(): void {
  if (unasked == 0) return;
  for (let stream = nextStream(null); stream !== null; stream = nextStream(stream)) {
    if (!stream.unasked) continue;
    forget(stream);
    if (setEffectiveContext(stream.id)) look(stream, false);
  }
}

/** Its place need not be known any more. */
export function forget(stream: Stream): void {
  if (!stream.unasked) return;
  stream.unasked = 0;
  unasked--;
}

/** At the answer's headers: counts the stream where it is, and judges the pod. */
export function lookAt(stream: Stream): void {
  look(stream, true);
}

/** Later the headers cannot be read any more; but an error is no answer that lasts. */
function look(stream: Stream, readsStatus: bool): void {
  const picked = stream.counted;
  const served = servedBy();
  const moved = served != 0 && served != picked;
  const retried = moved && moveTo(stream, picked);
  const status = readsStatus ? answerStatus() : 200;
  if (status != 200) stream.streamed = 0;
  if (moved || status >= 500) trust = 0;
  else if (trust < MOST_TRUST && !stream.streamed) trust++;
  if (stream.wouldPick) count(stream.wouldPick == served ? DRY_RUN_AGREED : DRY_RUN_DIFFERED);
  if (stream.creates && readsStatus) beginLearning(stream, status);
  judgeAnswer(stream, status, served, retried ? picked : 0);
}

/** Hash of the address that answered, or that was tried last; 0: Envoy tried none. */
function servedBy(): u64 {
  return getProperty(UPSTREAM_ADDRESS) && resultLength() > 0 ? textHash(resultPointer(), resultLength()) : 0;
}

/** Counts the request on the endpoint whose address was just read. True: Envoy had tried the pick before. */
function moveTo(stream: Stream, picked: u64): bool {
  const since = stream.since;
  stream.counted = startedAt(resultPointer(), resultLength());
  stream.since = publishGeneration();
  if (picked == 0) return false;
  finished(picked, since);
  moveTokens(stream, picked);
  if (stream.lasting) movePrompt(changetype<Prompt>(stream.lasting), stream.counted);
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
  if (entry !== null) tokensDone(entry, stream.tokens);
  stream.tokens = 0;
}

/** Another endpoint than the picked one prefills the prompt. */
function moveTokens(stream: Stream, picked: u64): void {
  const tokens = stream.tokens;
  if (!tokens) return;
  dropTokens(stream, picked);
  const entry = findEntry(stream.counted);
  if (entry === null) return;
  tokensSent(entry, tokens, tickTime());
  stream.tokens = tokens;
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
