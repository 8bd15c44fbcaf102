// Learns from the answers of the Responses API which endpoint owns which response. The id stands in the first event of a
// stream, or at the start of a whole answer.
import { bytesOf } from "../../base/bytes";
import { getBuffer, getHeader, RESPONSE_BODY, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { WINDOW_BYTES } from "../../host/memory";
import { rememberResponse } from "../../workers/responses";
import { CONTENT_ENCODING } from "../headers/names";
import { keptAsked } from "../request/asked-name";
import { beginId, endId, stepId } from "../response-id";
import { Stream } from "../streams";

/** The id is looked for in this many bytes of an answer, a chunk more at most. */
const MAX_SEARCHED: u32 = 262144;

/** The member that an id stands in, and what an id begins with. */
const pattern = bytesOf('"id":"resp_');
/** Where the id begins in the pattern. */
const ID_AT: u32 = 6;

/** At the headers of an answer to a creation. An encoded answer, or a refusal, has no id that could be read. */
export function beginLearning(stream: Stream, status: u32): void {
  const encoded = getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0;
  stream.learning = status == 200 && !encoded ? 1 : 0;
  stream.learnt = 0;
  stream.searched = 0;
}

/** A chunk of the answer's body. */
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
        if (stream.counted != 0)
          rememberResponse(endId(stream.learnt), stream.counted, stream.model, keptAsked(stream));
        return;
      }
      stream.learnt = stepId(stream.learnt, at, 1);
      continue;
    }
    // Blanks may stand behind the colon.
    if (matched == ID_AT - 1 && c == 0x20) continue;
    if (c == load<u8>(pattern.pointer + matched)) {
      if (++matched == pattern.length) stream.learnt = beginId(pattern.pointer + ID_AT, pattern.length - ID_AT);
    } else matched = c == 0x22 ? 1 : 0;
  }
  stream.searched += length;
  stream.learning = stream.searched > MAX_SEARCHED ? 0 : matched + 1;
}
