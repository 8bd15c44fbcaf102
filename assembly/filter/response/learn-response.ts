// Learns which endpoint owns a response of the Responses API. The HTTP response that creates the response has its id, in the first
// event of a stream or at the start of a JSON body.
import { bytesOf } from "../../base/bytes";
import { getBuffer, getHeader, RESPONSE_BODY, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { WINDOW_BYTES } from "../../host/memory";
import { rememberResponse } from "../../workers/response-owners";
import { CONTENT_ENCODING } from "../headers/header-names";
import { keptAsked } from "../request/asked-name";
import { beginId, endId, stepId } from "../response-id";
import { Stream } from "../streams";

/** The filter searches this many bytes of an HTTP response for the id, and then the rest of the current chunk. */
const MAX_SEARCHED: u32 = 262144;

/** The member whose value is the id, up to the id's constant beginning. */
const pattern = bytesOf('"id":"resp_');
/** Offset in the pattern where the id begins. */
const ID_AT: u32 = 6;

/** Call at the headers of a response to a request that creates. The filter can read no id in an encoded body or in a refusal. */
export function beginLearning(stream: Stream, status: u32): void {
  const encoded = getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0;
  stream.learning = status == 200 && !encoded ? 1 : 0;
  stream.learnedId = 0;
  stream.searched = 0;
}

/** Searches a chunk of the response's body, `length` bytes. */
export function learn(stream: Stream, length: u32): void {
  for (let from: u32 = 0; from < length && stream.learning; from += WINDOW_BYTES) {
    const take = min(length - from, WINDOW_BYTES);
    if (!getBuffer(RESPONSE_BODY, from, take)) return;
    search(stream, resultPointer(), resultLength());
  }
}

/** Searches bytes for the id. Before and after, `stream.learning` is 1 + the number of the pattern's bytes that match so far. */
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
    // JSON allows blanks after the colon.
    if (matched == ID_AT - 1 && c == 0x20) continue;
    if (c == load<u8>(pattern.pointer + matched)) {
      if (++matched == pattern.length) stream.learnedId = beginId(pattern.pointer + ID_AT, pattern.length - ID_AT);
    } else matched = c == 0x22 ? 1 : 0;
  }
  stream.searched += length;
  stream.learning = stream.searched > MAX_SEARCHED ? 0 : matched + 1;
}
