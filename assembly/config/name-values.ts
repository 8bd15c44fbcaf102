// Reads names of models, headers, cookies and fields of a body.
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MAX_MODEL_NAME_BYTES, SECRET_HEADER } from "../../protocol/constants";
import { bytesOf } from "../base/bytes";
import { addRule, addTarget, Names, newNames } from "../route/configured-rules";
import { MAX_FIELD_NAME_BYTES } from "../scan/json/fields";
import { Given } from "./given";

/** Reads a model's name that needs no escape in a header or in JSON: 1...256 visible ASCII characters except " and \. */
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

/** Reads a pattern: a model's name that may end with "*". "*" alone matches every name. */
export function readPattern(given: Given): string {
  const pattern = readModelName(given);
  const star = pattern.indexOf("*");
  if (star >= 0 && star != pattern.length - 1) given.wrong("a * nowhere but at the end");
  return pattern;
}

/** Reads a map from adapters to base models. Each entry becomes a rule with one target. */
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

/** Headers that a configuration may not name: they frame the request, or the filter sets them itself. */
const OWN_HEADERS: string[] = [
  "host",
  "content-length",
  "transfer-encoding",
  DESTINATION_HEADER,
  BASE_MODEL_HEADER,
  SECRET_HEADER,
];

/** Reads a header's name, in lower case: letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, token). */
export function readHeaderName(given: Given): string {
  const name = given.text.toLowerCase();
  if (isWord(name, "!#$%&'*+-.^_`|~") && !OWN_HEADERS.includes(name)) return name;
  given.wrong(`the name of a header that is none of ${OWN_HEADERS.join(", ")}`);
  return "x-invalid";
}

/** Reads a header's name; "" stands for no header. */
export function readHeaderNameOrNone(given: Given): string {
  return isEmpty(given) ? "" : readHeaderName(given);
}

/** Reads a cookie's name and returns it with "=" at its end; "" stands for no cookie. */
export function readCookieName(given: Given): string {
  if (isEmpty(given)) return "";
  if (isWord(given.text, "-_.")) return `${given.text}=`;
  given.wrong("the name of a cookie, letters, digits and -_.");
  return "x=";
}

/** Reads the name of a top-level field of a body. */
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

/** Returns whether the text is 1...128 letters, digits and characters of `signs`. */
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
