// Writes the client's name for the model into the response: `"model":"<served>"` becomes `"model":"<client's>"`. The filter does this
// at any depth, because Anthropic's message_start and OpenAI's response.created have an inner `model`. It does so in JSON and SSE.
//
//   pattern = '"model":' [ " " ] '"' served '"'
//
// JSON escapes a quote inside a string. So these bytes, if no backslash precedes them, are a member and not part of a text. The
// served name has neither quotes nor backslashes: the configuration refuses them, and isPlain() (route/snapshot-rules.ts) checks
// the names of the snapshot. A chunk may end within the name. The filter then keeps back only the name's beginning, and stores only
// the number of its bytes, because the bytes themselves are known.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";
import { Writer, writeTo } from "../../base/writer";
import {
  BODY_CONTINUE,
  getBuffer,
  getHeader,
  RESPONSE_BODY,
  RESPONSE_HEADERS,
  removeHeader,
  resultLength,
  resultPointer,
  setBuffer,
} from "../../host/calls";
import { MAX_LARGE } from "../../host/memory";
import { Target } from "../../route/configured-rules";
import { count, NOT_RENAMED } from "../../stats";
import { CONTENT_ENCODING, CONTENT_LENGTH } from "../headers/header-names";
import { Stream } from "../streams";

const key = bytesOf('"model":');
const KEY_BYTES: u32 = 8;
/** Bytes of the key and the opening quote. They precede the name in every match, and the client gets them unchanged. */
const HEAD_BYTES: u32 = 9;
/** Most bytes of an escaped character. A name in a request has no control characters, so none needs a longer escape. */
const MAX_ESCAPED: u32 = 2;
/** Flags of Stream.matchFlags. BLANK: a blank followed the colon. BACKSLASH: the last byte was a backslash that escapes the next. */
const BLANK: u32 = 1;
const BACKSLASH: u32 = 2;

/** Call at the response's headers. Removes content-length, because the length changes with the name. */
export function renameHeaders(stream: Stream): void {
  if (getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0) {
    count(NOT_RENAMED);
    stream.target = 0;
    return;
  }
  removeHeader(RESPONSE_HEADERS, CONTENT_LENGTH);
}

/** Call for each chunk of the response, `length` bytes. Writes the client's name into the chunk. */
export function renameBody(stream: Stream, length: u32, endOfStream: bool): i32 {
  if (length > MAX_LARGE) {
    count(NOT_RENAMED);
    prependKept(stream);
    stream.target = 0;
    return BODY_CONTINUE;
  }
  if (length == 0 && keptBack(stream.matched) == 0) return BODY_CONTINUE;
  if (length > 0 && (!getBuffer(RESPONSE_BODY, 0, length) || resultLength() != length)) return BODY_CONTINUE;
  const chunk = resultPointer();
  const target = changetype<Target>(stream.target);
  const matchedBefore = stream.matched;
  const flagsBefore = stream.matchFlags;
  const matches = length > 0 ? search(stream, target, chunk, length, null) : 0;
  const keeps = !endOfStream && keptBack(stream.matched) > 0;
  if (matches == 0 && keptBack(matchedBefore) == 0 && !keeps) return BODY_CONTINUE;
  // The chunk changes. The same search runs again, and this time it writes.
  const name = stream.nameLength * MAX_ESCAPED + HEAD_BYTES + 1;
  const room = length + MAX_MODEL_NAME_BYTES + (matches + 1) * name;
  const copy = heap.alloc(length + room);
  memory.copy(copy, chunk, length);
  stream.matched = matchedBefore;
  stream.matchFlags = flagsBefore;
  const writer = writeTo(copy + length, room);
  search(stream, target, copy, length, writer);
  if (endOfStream) {
    writer.bytes(target.model, keptBack(stream.matched));
    stream.matched = 0;
  }
  setBuffer(RESPONSE_BODY, 0, length, writer.start, writer.length);
  heap.free(copy);
  return BODY_CONTINUE;
}

/** Writes the bytes that were kept back before this chunk. The chunk itself goes on unchanged. */
function prependKept(stream: Stream): void {
  const length = keptBack(stream.matched);
  if (length > 0) setBuffer(RESPONSE_BODY, 0, 0, changetype<Target>(stream.target).model, length);
  stream.matched = 0;
}

/** Returns how many bytes of the name an unfinished match has. The filter keeps these bytes back. */
function keptBack(matched: u32): u32 {
  return matched > HEAD_BYTES ? matched - HEAD_BYTES : 0;
}

/** Counts the matches that end in `data`. With a writer, writes what the client gets, except a name's beginning at the end of `data`. */
function search(stream: Stream, target: Target, data: usize, length: u32, writer: Writer | null): u32 {
  const whole = HEAD_BYTES + target.length + 1;
  let matched = stream.matched;
  let flags = stream.matchFlags;
  let matches: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(data + i);
    if (matched == KEY_BYTES && c == 0x20 && !(flags & BLANK)) {
      flags |= BLANK;
      if (writer !== null) writer.byte(c);
      continue;
    }
    if (matched > 0 && c == patternByte(target, matched)) {
      matched++;
      if (matched == whole) {
        matches++;
        if (writer !== null) {
          writer.escaped(stream.name, stream.nameLength);
          writer.byte(0x22);
        }
        matched = 0;
        flags = 0;
      } else if (matched <= HEAD_BYTES && writer !== null) writer.byte(c);
      continue;
    }
    if (matched > 0) {
      if (writer !== null) writer.bytes(target.model, keptBack(matched));
      matched = 0;
      flags &= BACKSLASH;
    }
    if (writer !== null) writer.byte(c);
    if (c == 0x22 && !(flags & BACKSLASH)) {
      matched = 1;
      flags = 0;
    } else flags = c == 0x5c && !(flags & BACKSLASH) ? BACKSLASH : 0;
  }
  stream.matched = matched;
  stream.matchFlags = flags;
  return matches;
}

/** Returns the pattern's byte at offset `at`. The optional blank is not counted. */
function patternByte(target: Target, at: u32): u32 {
  if (at < KEY_BYTES) return load<u8>(key.pointer + at);
  if (at == KEY_BYTES || at == HEAD_BYTES + target.length) return 0x22;
  return load<u8>(target.model + at - HEAD_BYTES);
}
