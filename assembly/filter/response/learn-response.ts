// Learns from responses to requests of the Responses API which endpoint owns which of its responses. The id stands in the
// first event of a stream, or at the start of a whole body.
import { bytesOf } from "../../base/bytes";
import { getBuffer, getHeader, RESPONSE_BODY, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { WINDOW_BYTES } from "../../host/memory";
import { rememberResponse } from "../../workers/response-owners";
import { CONTENT_ENCODING } from "../headers/header-names";
import { keptAsked } from "../request/asked-name";
import { beginId, endId, stepId } from "../response-id";
import { Stream } from "../streams";

/** The id is looked for in this many bytes of a response, and at most a chunk more. */
const MAX_SEARCHED: u32 = 262144;

/** The member that an id stands in, and what an id begins with. */
const pattern = bytesOf('"id":"resp_');
/** Where the id begins in the pattern. */
const ID_AT: u32 = 6;

/** At the headers of the response to a creation. An encoded body, or a refusal, has no id that could be read. */
export function beginLearning(stream: Stream, status: u32): void {
  const encoded = getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0;
  stream.learning = status == 200 && !encoded ? 1 : 0;
  stream.learnedId = 0;
  stream.searched = 0;
}

/** A chunk of the response's body. */
export function learn(stream: Stream, length: u32): void {
  for (let from: u32 = 0; from < length && stream.learning; from += WINDOW_BYTES) {
    const take = min(length - from, WINDOW_BYTES);
    if (!getBuffer(RESPONSE_BODY, from, take)) return;
    search(stream, resultPointer(), resultLength());
  }
}

/** `stream.learning` is 1 + how many bytes of the pattern the last chunk ended with. */
function search(stream: Stream, from: usize, length: u32): void {
  let matched = stream.learning - 1;
  for (let at = from; at < from + length; at++) {
    const c: u32 = load<u8>(at);
    if (matched == pattern.length) {
      if (c == 0x22) {
        stream.learning = 0;
        if (stream.countedOn != 0)
          rememberResponse(endId(stream.learnedId), stream.countedOn, stream.model, keptAsked(stream));
        return;
      }
      stream.learnedId = stepId(stream.learnedId, at, 1);
      continue;
    }
    // Blanks may stand behind the colon.
    if (matched == ID_AT - 1 && c == 0x20) continue;
    if (c == load<u8>(pattern.pointer + matched)) {
      if (++matched == pattern.length) stream.learnedId = beginId(pattern.pointer + ID_AT, pattern.length - ID_AT);
    } else matched = c == 0x22 ? 1 : 0;
  }
  stream.searched += length;
  stream.learning = stream.searched > MAX_SEARCHED ? 0 : matched + 1;
}
