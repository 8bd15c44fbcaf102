// Writes the served model's name over the client's name for it. All other bytes stay as the client sent them. Envoy can only replace
// its whole buffer, so the filter copies the body into the VM once, up to body.maxRewriteBytes.
import { MAX_MODEL_NAME_BYTES } from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";
import { writeTo } from "../../base/writer";
import {
  getBuffer,
  getHeader,
  REQUEST_BODY,
  REQUEST_HEADERS,
  resultLength,
  resultPointer,
  setBuffer,
} from "../../host/calls";
import { largeBuffer } from "../../host/memory";
import { Target } from "../../route/configured-rules";
import { encodeName, modelInPath } from "../../route/paths";
import { fieldEnd, fieldKind, fieldStart, VALUE_ABSENT } from "../../scan/json/fields";
import { multipartValueEnd, multipartValueStart } from "../../scan/multipart/multipart";
import { count, REWRITTEN } from "../../stats";
import { changeHeader, dropHeader } from "../headers/changes";
import { ACCEPT_ENCODING, CONTENT_LENGTH, PATH } from "../headers/header-names";
import { Root } from "../root";
import { PHASE_MULTIPART, Stream, stateOf } from "../streams";
import { refuseRewrite } from "./refuse";

/** Bytes of the longest replacement, a whole member: `"model":"` name `",`. */
const REPLACEMENT_BYTES: u32 = 9 + MAX_MODEL_NAME_BYTES + 2;
const replacement: usize = memory.data(REPLACEMENT_BYTES);
/** Digits of the largest u32. */
const MAX_DIGITS: u32 = 10;
const digits: usize = memory.data(MAX_DIGITS);
/** Bytes of a rewritten path in static memory. A longer path is written into memory of the heap. */
const PATH_BYTES: u32 = 4096;
const rewrittenPath: usize = memory.data(PATH_BYTES);
const memberStart = bytesOf('"model":"');

/** Writes `model` into the body of `length` bytes. Returns false after a refusal, when the body is too large for this. */
export function rewriteModel(stream: Stream, model: usize, modelLength: u32, length: u32): bool {
  const limit = changetype<Root>(stream.root).config.body.maxRewriteBytes;
  if (length > limit) {
    refuseRewrite(limit);
    return false;
  }
  const room = largeBuffer(length + REPLACEMENT_BYTES);
  if (!getBuffer(REQUEST_BODY, 0, length) || resultLength() != length) {
    refuseRewrite(limit);
    return false;
  }
  // The host writes a body of up to WINDOW_BYTES into the window. Such a body is copied into the large buffer here.
  if (resultPointer() != room) memory.copy(room, resultPointer(), length);
  const state = stateOf(stream);
  const writer = writeTo(replacement, REPLACEMENT_BYTES);
  let start: u32;
  let end: u32;
  if (stream.phase == PHASE_MULTIPART) {
    start = multipartValueStart(state);
    end = multipartValueEnd(state);
    writer.bytes(model, modelLength);
  } else if (fieldKind(state, 0) == VALUE_ABSENT) {
    start = firstMember(room);
    end = start;
    writer.bytes(memberStart.pointer, memberStart.length);
    writer.bytes(model, modelLength);
    writer.byte(0x22);
    if (!isEmptyObject(room + start)) writer.byte(0x2c);
  } else {
    start = fieldStart(state, 0);
    end = fieldEnd(state, 0);
    writer.byte(0x22);
    writer.bytes(model, modelLength);
    writer.byte(0x22);
  }
  const tail = start + writer.length;
  memory.copy(room + tail, room + end, length - end);
  memory.copy(room + start, writer.start, writer.length);
  const total = tail + length - end;
  count(REWRITTEN);
  setBuffer(REQUEST_BODY, 0, length, room, total);
  if (stream.hasLength) setContentLength(total);
  // The filter cannot write the client's name into a compressed response, so it asks for an uncompressed response.
  dropHeader(ACCEPT_ENCODING);
  return true;
}

/** Returns the offset after the object's opening brace. The scanner has found an object, perhaps after a BOM and blanks. */
function firstMember(body: usize): u32 {
  let at: u32 = 0;
  while (load<u8>(body + at) != 0x7b) at++;
  return at + 1;
}

function isEmptyObject(at: usize): bool {
  while (load<u8>(at) == 0x20 || load<u8>(at) == 0x0a || load<u8>(at) == 0x0d || load<u8>(at) == 0x09) at++;
  return load<u8>(at) == 0x7d;
}

function setContentLength(length: u32): void {
  const writer = writeTo(digits, MAX_DIGITS);
  writer.number(length);
  changeHeader(CONTENT_LENGTH, writer.start, writer.length);
}

/** Replaces the model's name in the path by the target's name. `templates` are the path templates that found the client's name. */
export function rewritePath(target: Target, templates: usize): void {
  count(REWRITTEN);
  if (!getHeader(REQUEST_HEADERS, PATH)) return;
  const path = resultPointer();
  const length = resultLength();
  const model = modelInPath(templates, path, length);
  if (model === null) return;
  // Invariant: a path of any length is rewritten. Else a client could pad its path so that header and path name different models.
  const room = length + 3 * target.length;
  const written = room > PATH_BYTES ? heap.alloc(room) : rewrittenPath;
  memory.copy(written, path, model.start);
  const encoded = encodeName(target.model, target.length, written + model.start);
  memory.copy(written + model.start + encoded, path + model.end, length - model.end);
  changeHeader(PATH, written, length - (model.end - model.start) + encoded);
  if (written != rewrittenPath) heap.free(written);
  dropHeader(ACCEPT_ENCODING);
}
