// The response's way through the filter, and what the filter does at the stream's end.
import { ROLE_READER } from "../../config/config";
import { closePrompt, Prompt } from "../../endpoints/cache/prompt";
import { endPrompt } from "../../endpoints/cache/running-prompts";
import { finished } from "../../endpoints/in-flight";
import { BODY_CONTINUE } from "../../host/calls";
import { dropExplanation, sendExplanation } from "../request/explanation";
import { abortWaiting, roomFreed } from "../request/resume";
import { abortPoll } from "../reserved/polls";
import { Root } from "../root";
import { answeredEarly } from "../setup/reader-holder";
import {
  closeStream,
  findStream,
  PHASE_MULTIPART,
  PHASE_POLL,
  PHASE_PUSH,
  PHASE_SCAN,
  PHASE_SENT,
  Stream,
} from "../streams";
import { learn } from "./learn-response";
import { readLoadReport } from "./read-load-report";
import { beginSearch, endSearch, search } from "./read-usage";
import { renameBody, renameHeaders } from "./rename";
import { dropTokens, dropVerification, isTrusted, shareLaterAt, shareLessAt, verify } from "./served";
import { judgeBreak, responseBegan, responseEnded } from "./verdict";

export function responseHeaders(id: u32, endOfStream: bool): void {
  const stream = findStream(id);
  if (stream === null) return;
  if (stream.phase != PHASE_SENT) {
    if (isUndecided(stream)) answeredEarly();
    return;
  }
  stream.answered = 1;
  if (stream.target) renameHeaders(stream);
  if (stream.explanationSlot) sendExplanation(stream);
  if (!isTrusted(stream)) verify(stream);
  if (stream.sums && !endOfStream) beginSearch(stream);
  if (changetype<Root>(stream.root).config.pick.profile.reports) readLoadReport(stream);
  if (endOfStream) responseEnded(stream);
}

/** Returns whether this filter is a reader that still waits for the body. */
function isUndecided(stream: Stream): bool {
  if (changetype<Root>(stream.root).config.role != ROLE_READER) return false;
  return stream.phase == PHASE_SCAN || stream.phase == PHASE_MULTIPART || stream.phase == PHASE_PUSH;
}

export function responseBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BODY_CONTINUE;
  if (stream.uncachedTokens) {
    dropTokens(stream, stream.countedOn);
    // The end of a response that is not streamed follows at once, and is shared then.
    if (stream.streamed) shareLessAt(stream.countedOn);
    else shareLaterAt(stream.countedOn);
    responseBegan(stream);
  }
  if (stream.learning) learn(stream, length);
  if (stream.searching) search(stream, length);
  if (endOfStream) responseEnded(stream);
  if (!stream.target) return BODY_CONTINUE;
  return renameBody(stream, length, endOfStream);
}

/** Call when the stream is over, however it ended. Returns the stream's root; null: the stream had no record. */
export function streamDeleted(id: u32): Root | null {
  const stream = findStream(id);
  if (stream === null) return null;
  dropVerification(stream);
  if (stream.searching) endSearch(stream);
  if (stream.answered == 1) judgeBreak(stream);
  if (stream.uncachedTokens) dropTokens(stream, stream.countedOn);
  if (stream.countedOn != 0) {
    finished(stream.countedOn, stream.generation);
    shareLessAt(stream.countedOn);
  }
  abortWaiting(stream);
  if (stream.phase == PHASE_POLL) abortPoll(stream);
  if (stream.explanationSlot) dropExplanation(stream);
  if (stream.prompt) closePrompt(changetype<Prompt>(stream.prompt));
  if (stream.runningPrompt) endPrompt(changetype<Prompt>(stream.runningPrompt));
  const scope = stream.phase == PHASE_SENT ? stream.scope : 0;
  const root = changetype<Root>(stream.root);
  closeStream(stream);
  // This comes last. It may resume another stream, and host calls are then about that stream.
  roomFreed(scope);
  return root;
}
