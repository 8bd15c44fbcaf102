// Finds a model's name in a path, such as /openai/deployments/{model}/ (Azure OpenAI), /v1beta/models/{model}: (Gemini), or
// /model/{model}/invoke (Bedrock).
//
//   template = before "{model}" after          path = before model after rest
//
// A path fits a template if it begins with `before`. The model is the shortest text of at least one byte that `after`
// follows. Without `after` the model reaches to the next "/" or to the path's end. The query is no part of the path. The
// name is percent-decoded and must be UTF-8.

import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants";
import { hexDigit } from "../base/bytes";
import { utf8Whole } from "../scan/utf8";

const SLASH = 0x2f;
const PERCENT = 0x25;
const QUESTION_MARK = 0x3f;

@unmanaged
class Template {
  next: usize = 0;
  before: usize = 0;
  after: usize = 0;
  beforeLength: u32 = 0;
  afterLength: u32 = 0;
}

/** Offsets of a model's name in a path, before percent-decoding: of its first byte, and of the byte behind it. */
@unmanaged
export class PathModel {
  start: u32 = 0;
  end: u32 = 0;
}

const found: usize = memory.data(offsetof<PathModel>(), 4);

/** Appends a template to `list` and returns the list. An empty list is 0. The bytes must stay. */
export function addTemplate(list: usize, before: usize, beforeLength: u32, after: usize, afterLength: u32): usize {
  const template = changetype<Template>(heap.alloc(offsetof<Template>()));
  template.next = 0;
  template.before = before;
  template.beforeLength = beforeLength;
  template.after = after;
  template.afterLength = afterLength;
  if (!list) return changetype<usize>(template);
  let last = changetype<Template>(list);
  while (last.next) last = changetype<Template>(last.next);
  last.next = changetype<usize>(template);
  return list;
}

/** Finds the model by the first template that fits the path; null if no template fits. The record is valid until the next call. */
export function modelInPath(list: usize, path: usize, length: u32): PathModel | null {
  const end = pathLength(path, length);
  for (let at = list; at; at = changetype<Template>(at).next) {
    const template = changetype<Template>(at);
    const modelEnd = endOfModel(template, path, end);
    if (modelEnd == 0) continue;
    const model = changetype<PathModel>(found);
    model.start = template.beforeLength;
    model.end = modelEnd;
    return model;
  }
  return null;
}

/** Length of the path without its query. */
export function pathLength(path: usize, length: u32): u32 {
  let end: u32 = 0;
  while (end < length && load<u8>(path + end) != QUESTION_MARK) end++;
  return end;
}

/** Offset of the byte behind the model; 0 if the template does not fit. */
function endOfModel(template: Template, path: usize, length: u32): u32 {
  if (template.beforeLength >= length) return 0;
  if (memory.compare(path, template.before, template.beforeLength) != 0) return 0;
  for (let i = template.beforeLength + 1; i <= length; i++) {
    if (template.afterLength == 0) {
      if (i == length || load<u8>(path + i) == SLASH) return i;
    } else {
      if (i + template.afterLength > length) return 0;
      if (memory.compare(path + i, template.after, template.afterLength) == 0) return i;
    }
  }
  return 0;
}

/** Percent-decodes a name to `target`, which has room for MAX_MODEL_NAME_BYTES. Returns the name's length; 0 if it is no name. */
export function decodeName(text: usize, length: u32, target: usize): u32 {
  let written: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    if (written >= MAX_MODEL_NAME_BYTES) return 0;
    let c: u32 = load<u8>(text + i);
    if (c == PERCENT) {
      if (i + 2 >= length) return 0;
      const high = hexDigit(load<u8>(text + i + 1));
      const low = hexDigit(load<u8>(text + i + 2));
      if (high > 15 || low > 15) return 0;
      c = (high << 4) | low;
      i += 2;
    }
    store<u8>(target + written++, c);
  }
  return utf8Whole(target, target + written) ? written : 0;
}

/** Percent-encodes all but unreserved characters (RFC 3986). `target` must have room for three times the length. */
export function encodeName(text: usize, length: u32, target: usize): u32 {
  let written: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    const letter = ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a) || (c >= 0x30 && c <= 0x39);
    if (letter || c == 0x2d || c == 0x2e || c == 0x5f || c == 0x7e) {
      store<u8>(target + written++, c);
      continue;
    }
    store<u8>(target + written++, PERCENT);
    store<u8>(target + written++, upperHex(c >> 4));
    store<u8>(target + written++, upperHex(c & 15));
  }
  return written;
}

function upperHex(digit: u32): u32 {
  return digit < 10 ? 0x30 + digit : 0x37 + digit;
}
