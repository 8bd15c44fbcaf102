// Puts the served model's name where the client's stands: these bytes only, all others stay as they came. Envoy's
// buffer can only be replaced whole, so the body is copied into the VM once, up to body.maxRewriteBytes.
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
import { Target } from "../../route/names";
import { encodeName, modelInPath } from "../../route/paths";
import { fieldEnd, fieldKind, fieldStart, VALUE_ABSENT } from "../../scan/json/fields";
import { multipartValueEnd, multipartValueStart } from "../../scan/multipart/multipart";
import { count, REWRITTEN } from "../../stats";
import { changeHeader, dropHeader } from "../headers/changes";
import { ACCEPT_ENCODING, CONTENT_LENGTH, PATH } from "../headers/names";
import { Root } from "../root";
import { PHASE_MULTIPART, Stream, stateOf } from "../streams";
import { refuseRewrite } from "./refuse";

/** `{"model":"` + name + `",` at most. */
const replacement: usize = memory.data(320);
const digits: usize = memory.data(16);
const rewrittenPath: usize = memory.data(4096);
const memberStart = bytesOf('"model":"');

/** Puts `model` into the body; false: the body is too large for that, refused. */
export function rewriteModel(stream: Stream, model: usize, modelLength: u32, length: u32): bool {
  const limit = changetype<Root>(stream.root).config.body.maxRewriteBytes;
  if (length > limit) {
    refuseRewrite(limit);
    return false;
  }
  const room = largeBuffer(length + MAX_MODEL_NAME_BYTES + 64);
  if (!getBuffer(REQUEST_BODY, 0, length) || resultLength() != length) {
    refuseRewrite(limit);
    return false;
  }
  // A body that fits the window arrived there.
  if (resultPointer() != room) memory.copy(room, resultPointer(), length);
  const state = stateOf(stream);
  const writer = writeTo(replacement, 320);
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
  // A compressed answer could not be given the client's own name back.
  dropHeader(ACCEPT_ENCODING);
  return true;
}

/** Offset after the object's opening brace: the body is known to be an object, after a BOM and blanks. */
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
  const writer = writeTo(digits, 16);
  writer.number(length);
  changeHeader(CONTENT_LENGTH, writer.start, writer.length);
}

/** Replaces the model's name in the path by the target's. `templates` are those that the client's name was found by. */
export function rewritePath(target: Target, templates: usize): void {
  count(REWRITTEN);
  if (!getHeader(REQUEST_HEADERS, PATH)) return;
  const path = resultPointer();
  const length = resultLength();
  const model = modelInPath(templates, path, length);
  if (model === null) return;
  // A path of any length is replaced: else its padding would decide whether header and path name the same model.
  const room = length + 3 * target.length;
  const written = room > 4096 ? heap.alloc(room) : rewrittenPath;
  memory.copy(written, path, model.start);
  const encoded = encodeName(target.model, target.length, written + model.start);
  memory.copy(written + model.start + encoded, path + model.end, length - model.end);
  changeHeader(PATH, written, length - (model.end - model.start) + encoded);
  if (written != rewrittenPath) heap.free(written);
  dropHeader(ACCEPT_ENCODING);
}
