// Gives the client its own name for the model back: in the response, `"model":"<served>"` becomes `"model":"<client's>"`.
// That holds at any depth (Anthropic's message_start and OpenAI's response.created carry it inside), in JSON and in SSE.
//
//   pattern = '"model":' [ " " ] '"' served '"'
//
// A quote inside a JSON string is escaped, so these bytes, not preceded by a backslash, are a member and no text. The
// served name has neither quotes nor backslashes: the configuration refuses them, and a name of the snapshot is checked by
// isPlain() (route/snapshot-rules.ts). A chunk may end within the name. Only that part is kept back, as a number, because its
// bytes are known.

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
/** With the quote: what stands before the name in every match, and in what the client gets. */
const HEAD_BYTES: u32 = 9;
/** Bytes of an escaped character. A name that a request gave has no control characters. */
const MAX_ESCAPED: u32 = 2;
/** matchFlags: a blank followed the colon; the last byte was a backslash. */
const BLANK: u32 = 1;
const BACKSLASH: u32 = 2;

/** The response's length changes with the name. */
export function renameHeaders(stream: Stream): void {
  if (getHeader(RESPONSE_HEADERS, CONTENT_ENCODING) && resultLength() > 0) {
    count(NOT_RENAMED);
    stream.target = 0;
    return;
  }
  removeHeader(RESPONSE_HEADERS, CONTENT_LENGTH);
}

/** One chunk of the response, `length` bytes. */
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
  // Something changes: the same search again, this time writing.
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

/** Passes on what was kept back of the last chunk. This chunk goes on as it is. */
function prependKept(stream: Stream): void {
  const length = keptBack(stream.matched);
  if (length > 0) setBuffer(RESPONSE_BODY, 0, 0, changetype<Target>(stream.target).model, length);
  stream.matched = 0;
}

/** Bytes of the name that a match has so far: they are kept back. */
function keptBack(matched: u32): u32 {
  return matched > HEAD_BYTES ? matched - HEAD_BYTES : 0;
}

/** Counts the matches that end in `data`. With a writer, writes what the client gets, but for the start of a name at the end. */
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

function patternByte(target: Target, at: u32): u32 {
  if (at < KEY_BYTES) return load<u8>(key.pointer + at);
  if (at == KEY_BYTES || at == HEAD_BYTES + target.length) return 0x22;
  return load<u8>(target.model + at - HEAD_BYTES);
}
