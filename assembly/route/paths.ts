// Models named in the path: /openai/deployments/{model}/ (Azure OpenAI), /v1beta/models/{model}: (Gemini),
// /model/{model}/invoke (Bedrock).
//
//   template = before "{model}" after          path = before model after rest
//
// `before` begins the path; the model is the shortest text, of at least one byte, that is followed by `after`; without
// `after` it reaches to the next "/" or the path's end. The query is no part of it. The name is percent-decoded; it is UTF-8.
import { MAX_MODEL_NAME_BYTES } from "../../protocol/constants";
import { utf8Whole } from "../scan/utf8";

@unmanaged
class Template {
  next: usize = 0;
  before: usize = 0;
  after: usize = 0;
  beforeLength: u32 = 0;
  afterLength: u32 = 0;
}

/** The last match: where the name stands in the path, as written. */
export let matchStart: u32 = 0;
export let matchEnd: u32 = 0;

/** Appends a template to `list` (0 is empty) and returns the list. The bytes must stay. */
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

/** Whether a template fits; then matchStart and matchEnd are set. The first that fits decides. */
export function matchPath(list: usize, path: usize, length: u32): bool {
  const end = pathLength(path, length);
  for (let at = list; at; at = changetype<Template>(at).next)
    if (fits(changetype<Template>(at), path, end)) return true;
  return false;
}

/** Length of the path without its query. */
export function pathLength(path: usize, length: u32): u32 {
  let end: u32 = 0;
  while (end < length && load<u8>(path + end) != 0x3f) end++;
  return end;
}

function fits(template: Template, path: usize, length: u32): bool {
  if (template.beforeLength >= length) return false;
  if (memory.compare(path, template.before, template.beforeLength) != 0) return false;
  matchStart = template.beforeLength;
  for (let i = matchStart + 1; i <= length; i++) {
    if (template.afterLength == 0) {
      if (i < length && load<u8>(path + i) != 0x2f) continue;
    } else {
      if (i + template.afterLength > length) return false;
      if (memory.compare(path + i, template.after, template.afterLength) != 0) continue;
    }
    matchEnd = i;
    return true;
  }
  return false;
}

/** Percent-decodes a name to `target`, which has room for MAX_MODEL_NAME_BYTES. Its length; 0: not a name. */
export function decodeName(text: usize, length: u32, target: usize): u32 {
  let written: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    if (written >= MAX_MODEL_NAME_BYTES) return 0;
    let c: u32 = load<u8>(text + i);
    if (c == 0x25) {
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

/** Percent-encodes all but unreserved characters (RFC 3986). `target` has room for three times the length. */
export function encodeName(text: usize, length: u32, target: usize): u32 {
  let written: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    const letter = ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a) || (c >= 0x30 && c <= 0x39);
    if (letter || c == 0x2d || c == 0x2e || c == 0x5f || c == 0x7e) {
      store<u8>(target + written++, c);
      continue;
    }
    store<u8>(target + written++, 0x25);
    store<u8>(target + written++, c >> 4 < 10 ? 0x30 + (c >> 4) : 0x37 + (c >> 4));
    store<u8>(target + written++, (c & 15) < 10 ? 0x30 + (c & 15) : 0x37 + (c & 15));
  }
  return written;
}

function hexDigit(c: u32): u32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : 16;
}
