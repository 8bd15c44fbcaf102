// Who really served the request: a retry or Envoy's own choice may differ from the pick.
import { ROLE_READER } from "../config/config";
import { BODY_CONTINUE, getProperty, LOG_ERROR, log, resultLength, resultPointer } from "../host/calls";
import { addressHash, findEntry } from "../pick/entries";
import { finished, startedAt, tellGeneration } from "../pick/inflight";
import { closePrompt, Prompt } from "../pick/prompt";
import { tokensDone, tokensSent } from "../pick/tokens";
import { count, REROUTED, SETUP_NOT_FOLLOWED } from "../stats";
import { tickTime } from "./clock";
import { UPSTREAM_ADDRESS, UPSTREAM_ATTEMPTS } from "./headers";
import { answeredEarly } from "./holder";
import { answerBegan, answerEnded, answerStatus, judgeAnswer, judgeBreak } from "./pods";
import { renameBody, renameHeaders } from "./rename";
import { leaveGarbage, Root } from "./root";
import { closeStream, findStream, PHASE_MULTIPART, PHASE_PUSH, PHASE_SCAN, PHASE_SENT, Stream } from "./streams";

/** Picks that were not followed, in this worker; at MANY_IGNORED it is said once. */
const MANY_IGNORED: u32 = 20;
let ignoredPicks: u32 = 0;

export function responseHeaders(id: u32, endOfStream: bool): void {
  const stream = findStream(id);
  if (stream === null) return;
  if (stream.phase != PHASE_SENT) {
    if (isUndecided(stream)) answeredEarly();
    return;
  }
  stream.answered = 1;
  if (stream.target) renameHeaders(stream);
  const picked = stream.counted;
  const served = servedBy();
  const retried = served != 0 && served != picked && moveTo(stream, picked);
  const status = answerStatus();
  if (status != 200) stream.streamed = 0;
  judgeAnswer(stream, status, served, retried ? picked : 0);
  if (endOfStream) answerEnded(stream);
}

/** Hash of the address that answered, or that was tried last; 0: Envoy tried none. */
function servedBy(): u64 {
  return getProperty(UPSTREAM_ADDRESS) && resultLength() > 0 ? addressHash(resultPointer(), resultLength()) : 0;
}

/** Counts the request on the endpoint whose address was just read. True: Envoy had tried the pick before. */
function moveTo(stream: Stream, picked: u64): bool {
  const since = stream.since;
  stream.counted = startedAt(resultPointer(), resultLength());
  stream.since = tellGeneration();
  if (picked == 0) return false;
  finished(picked, since);
  moveTokens(stream, picked);
  stream.sentAt = 0;
  count(REROUTED);
  if (!getProperty(UPSTREAM_ATTEMPTS) || resultLength() != 8) return false;
  if (load<u64>(resultPointer()) > 1) return true;
  // Envoy chose another endpoint without having tried the pick.
  notFollowed();
  return false;
}

/** Its body is still awaited, by a reader. */
function isUndecided(stream: Stream): bool {
  if (changetype<Root>(stream.root).config.role != ROLE_READER) return false;
  return stream.phase == PHASE_SCAN || stream.phase == PHASE_MULTIPART || stream.phase == PHASE_PUSH;
}

/** The first byte came, or never will: the prompt waits no more on the endpoint with this hash. */
function dropTokens(stream: Stream, hash: u64): void {
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
    "picks are not followed: give the route's clusters a load balancing policy that reads x-gateway-destination-endpoint " +
      "(override_host; in Envoy Gateway endpointOverride of a BackendTrafficPolicy), and the endpoints of the snapshot",
  );
}

export function responseBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BODY_CONTINUE;
  if (stream.tokens) {
    dropTokens(stream, stream.counted);
    answerBegan(stream);
  }
  if (endOfStream) answerEnded(stream);
  if (!stream.target) return BODY_CONTINUE;
  return renameBody(stream, length, endOfStream);
}

/** The stream is over, however it ended. */
export function streamDeleted(id: u32): void {
  const stream = findStream(id);
  if (stream === null) return;
  if (stream.answered == 1) judgeBreak(stream);
  if (stream.tokens) dropTokens(stream, stream.counted);
  if (stream.counted != 0) finished(stream.counted, stream.since);
  if (stream.prompt) closePrompt(changetype<Prompt>(stream.prompt));
  closeStream(stream);
}
