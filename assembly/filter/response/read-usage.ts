// Reads `usage` where it passes by: how many tokens the server counted in the prompt. The filter looks at the last bytes of some
// responses: of each model's, at most eight a second and worker (endpoints/model-sums.ts), of which at most MAX_STREAMED streamed
// responses are open at a time. It looks at every chunk of these responses. Envoy may
// report the end of a response in a further call without bytes, when the last chunk is gone.
// A response in an encoding is left out. A stream that never says `usage` is looked at up to its end.
import { addUsage, takesUsage } from "../../endpoints/model-sums";
import { getBuffer, getHeader, RESPONSE_BODY, RESPONSE_HEADERS, resultLength, resultPointer } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { promptTokensIn } from "../../scan/usage";
import { CONTENT_ENCODING } from "../headers/header-names";
import { promptBytes, promptOf } from "../measure";
import { Stream } from "../streams";

/** Bytes at the end of a chunk that are searched. */
const TAIL_BYTES: u32 = 1024;
/** Limit of the streamed responses that a worker looks at. */
const MAX_STREAMED: u32 = 8;
/** A prompt has at most one token a byte, and as many more as its template, tools and pictures may have. More is not believed. */
const MAX_UNSEEN_TOKENS: u32 = 65536;

// States of Stream.searching.
const SEARCHES_WHOLE: u32 = 1;
const SEARCHES_STREAMED: u32 = 2;

/** Stream.answered of a response that is whole. */
const WHOLE_RESPONSE: u32 = 2;

let streamed: u32 = 0;

/** Call at the response's headers, if the request is measured. */
export function beginSearch(stream: Stream): void {
  if (stream.streamed && streamed == MAX_STREAMED) return;
  if (!takesUsage(stream.sums, tickTime())) return;
  if (getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0) return;
  stream.searching = stream.streamed ? SEARCHES_STREAMED : SEARCHES_WHOLE;
  if (stream.streamed) streamed++;
}

/** Call for each chunk of the response's body, `length` bytes, while the response is searched. */
export function search(stream: Stream, length: u32): void {
  const take = min(length, TAIL_BYTES);
  if (take == 0 || !getBuffer(RESPONSE_BODY, length - take, take)) return;
  const tokens = promptTokensIn(resultPointer(), resultLength());
  if (tokens == 0) return;
  // A chunk may end within an object that the server copies from the request. Servers write `usage` later, so the last one counts.
  stream.usageTokens = tokens;
  if (stream.searching == SEARCHES_STREAMED) endSearch(stream);
}

/** Call when the search or the stream ends. */
export function endSearch(stream: Stream): void {
  const whole = stream.searching == SEARCHES_WHOLE;
  stream.searching = 0;
  if (!whole) streamed--;
  else if (stream.answered != WHOLE_RESPONSE) return;
  const tokens = stream.usageTokens;
  if (tokens > 0 && stream.sums && tokens <= promptBytes(stream) + MAX_UNSEEN_TOKENS) {
    addUsage(stream.sums, tokens, promptOf(stream));
  }
}
