// The answer's way through the filter, and the stream's end.
import { ROLE_READER } from "../../config/config";
import { closePrompt, Prompt } from "../../endpoints/cache/prompt";
import { endPrompt } from "../../endpoints/cache/running-prompts";
import { finished } from "../../endpoints/in-flight";
import { BODY_CONTINUE } from "../../host/calls";
import { dropExplanation, sendExplanation } from "../request/explanation";
import { abortHeld, madeRoom } from "../request/let-go";
import { Root } from "../root";
import { answeredEarly } from "../setup/reader-holder";
import { closeStream, findStream, PHASE_MULTIPART, PHASE_PUSH, PHASE_SCAN, PHASE_SENT, Stream } from "../streams";
import { learn } from "./learn-response";
import { readReport } from "./load-report";
import { answerBegan, answerEnded, judgeBreak } from "./outcome";
import { renameBody, renameHeaders } from "./rename";
import { dropTokens, forget, isTrusted, lookAt } from "./served";

export function responseHeaders(id: u32, endOfStream: bool): void {
  const stream = findStream(id);
  if (stream === null) return;
  if (stream.phase != PHASE_SENT) {
    if (isUndecided(stream)) answeredEarly();
    return;
  }
  stream.answered = 1;
  if (stream.target) renameHeaders(stream);
  if (stream.explanation) sendExplanation(stream);
  if (!isTrusted(stream)) lookAt(stream);
  if (changetype<Root>(stream.root).config.pick.profile.reports) readReport(stream);
  if (endOfStream) answerEnded(stream);
}

/** Its body is still awaited, by a reader. */
function isUndecided(stream: Stream): bool {
  if (changetype<Root>(stream.root).config.role != ROLE_READER) return false;
  return stream.phase == PHASE_SCAN || stream.phase == PHASE_MULTIPART || stream.phase == PHASE_PUSH;
}

export function responseBody(id: u32, length: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BODY_CONTINUE;
  if (stream.tokens) {
    dropTokens(stream, stream.counted);
    answerBegan(stream);
  }
  if (stream.learning) learn(stream, length);
  if (endOfStream) answerEnded(stream);
  if (!stream.target) return BODY_CONTINUE;
  return renameBody(stream, length, endOfStream);
}

/** The stream is over, however it ended. Its root; null: the stream had no record. */
export function streamDeleted(id: u32): Root | null {
  const stream = findStream(id);
  if (stream === null) return null;
  forget(stream);
  if (stream.answered == 1) judgeBreak(stream);
  if (stream.tokens) dropTokens(stream, stream.counted);
  if (stream.counted != 0) finished(stream.counted, stream.since);
  abortHeld(stream);
  if (stream.explanation) dropExplanation(stream);
  if (stream.prompt) closePrompt(changetype<Prompt>(stream.prompt));
  if (stream.lasting) endPrompt(changetype<Prompt>(stream.lasting));
  const scope = stream.phase == PHASE_SENT ? stream.scope : 0;
  const root = changetype<Root>(stream.root);
  closeStream(stream);
  // Last: another stream may go on, and host calls are about that one then.
  madeRoom(scope);
  return root;
}
