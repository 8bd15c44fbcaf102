// Readers of names: of models, headers, cookies and fields of a body.
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MAX_MODEL_NAME_BYTES, SECRET_HEADER } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { addRule, addTarget, Names, newNames } from "../route/configured-rules";
import { MAX_FIELD_NAME_BYTES } from "../scan/json/fields";
import { Given } from "./given";

/** The name of a model as it may stand in a header and in JSON as it is: 1...256 visible ASCII characters but " and \. */
export function readModelName(given: Given): string {
  const name = given.text;
  let valid = name.length >= 1 && name.length <= <i32>MAX_MODEL_NAME_BYTES;
  for (let i = 0; i < name.length && valid; i++) {
    const c = name.charCodeAt(i);
    valid = c > 0x20 && c < 0x7f && c != 0x22 && c != 0x5c;
  }
  if (valid) return name;
  given.wrong(`a model name (1 to ${MAX_MODEL_NAME_BYTES} visible ASCII characters but " and \\)`);
  return "?";
}

/** A model name, which may end with "*"; "*" alone matches every name. */
export function readPattern(given: Given): string {
  const pattern = readModelName(given);
  const star = pattern.indexOf("*");
  if (star >= 0 && star != pattern.length - 1) given.wrong("a * nowhere but at the end");
  return pattern;
}

/** Adapter -> base model, as rules with one target each. */
export function readAdapters(given: Given, max: i32): Names {
  const bases = newNames();
  const adapters = given.object;
  const keys = adapters.keys();
  if (keys.length > max) given.problems.add(`${given.key}: ${keys.length} adapters given, at most ${max} are expected`);
  for (let i = 0; i < keys.length && i < max; i++) {
    const adapter = bytesOf(keys[i]);
    const base = bytesOf(readModelName(new Given(given.problems, `${given.key}.${keys[i]}`, adapters.get(keys[i])!)));
    const rule = addRule(bases, adapter.pointer, adapter.length, false, 1);
    if (rule) addTarget(rule, base.pointer, base.length, 1);
  }
  return bases;
}

/** Headers that frame the request or that the filter sets by itself. */
const OWN_HEADERS: string[] = [
  "host",
  "content-length",
  "transfer-encoding",
  DESTINATION_HEADER,
  BASE_MODEL_HEADER,
  SECRET_HEADER,
];

/** A header's name, in lower case: letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, token). */
export function readHeaderName(given: Given): string {
  const name = given.text.toLowerCase();
  if (isWord(name, "!#$%&'*+-.^_`|~") && !OWN_HEADERS.includes(name)) return name;
  given.wrong(`the name of a header that is none of ${OWN_HEADERS.join(", ")}`);
  return "x-invalid";
}

/** "" stands for no header. */
export function readHeaderNameOrNone(given: Given): string {
  return isEmpty(given) ? "" : readHeaderName(given);
}

/** A cookie's name with "=" behind it; "" stands for no cookie. */
export function readCookieName(given: Given): string {
  if (isEmpty(given)) return "";
  if (isWord(given.text, "-_.")) return `${given.text}=`;
  given.wrong("the name of a cookie, letters, digits and -_.");
  return "x=";
}

/** The name of a top-level field of a body. */
export function readFieldName(given: Given): string {
  const name = given.text;
  if (!name.length) given.wrong("the name of a top-level field");
  else if (String.UTF8.byteLength(name) > <i32>MAX_FIELD_NAME_BYTES)
    given.wrong(`a name of at most ${MAX_FIELD_NAME_BYTES} bytes`);
  return name;
}

function isEmpty(given: Given): bool {
  return given.isText && !given.text.length;
}

/** 1...128 letters, digits and the given signs. */
function isWord(text: string, signs: string): bool {
  if (text.length < 1 || text.length > 128) return false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const letter = c | 0x20;
    const word = (letter >= 0x61 && letter <= 0x7a) || (c >= 0x30 && c <= 0x39);
    if (!word && signs.indexOf(text.charAt(i)) < 0) return false;
  }
  return true;
}
