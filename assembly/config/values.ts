// Typed reads of configuration values. The first problem is kept: one sentence with key, value and expectation.
import { JSON } from "json-as";
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MAX_MODEL_NAME_BYTES, SECRET_HEADER } from "../../protocol/constants";

let problem: string = "";

export function clearProblem(): void {
  problem = "";
}
/** Empty when nothing was wrong so far. */
export function firstProblem(): string {
  return problem;
}
export function report(text: string): void {
  if (!problem.length) problem = text;
}

export function fail(key: string, value: JSON.Value, expected: string): void {
  let given = JSON.stringify(value);
  // A secret that stands in the wrong place stays one.
  if (key.startsWith("snapshot") && mayHoldSecret(key, value)) given = "a value that is not shown";
  if (given.length > 80) given = given.substring(0, 80) + "...";
  report(`${key}: ${given} given, ${expected} is expected`);
}

export function failKey(key: string, known: string): void {
  report(`${key}: this key is not known; known are ${known}`);
}

function mayHoldSecret(key: string, value: JSON.Value): bool {
  return isObject(value) || isArray(value) || (key == "snapshot" && isString(value));
}

export function isObject(value: JSON.Value): bool {
  return value.type == JSON.Types.Object;
}
export function isArray(value: JSON.Value): bool {
  return value.type == JSON.Types.Array;
}
export function isString(value: JSON.Value): bool {
  return value.type == JSON.Types.String;
}

/** An empty object, and a problem, when it is none. */
export function readObject(key: string, value: JSON.Value): JSON.Obj {
  if (isObject(value)) return value.get<JSON.Obj>();
  fail(key, value, "an object");
  return new JSON.Obj();
}

export function readArray(key: string, value: JSON.Value): JSON.Arr {
  if (isArray(value)) return value.get<JSON.Arr>();
  fail(key, value, "a list");
  return new JSON.Arr();
}

export function readBoolean(key: string, value: JSON.Value): bool {
  if (value.type == JSON.Types.Bool) return value.get<bool>();
  fail(key, value, "true or false");
  return false;
}

/** A whole number from `least` to `most`; `least`, and a problem, for anything else. */
export function readInteger(key: string, value: JSON.Value, least: u32, most: u32): u32 {
  const number = value.type == JSON.Types.F64 ? value.get<f64>() : NaN;
  if (number >= <f64>least && number <= <f64>most && number == Math.floor(number)) return <u32>number;
  fail(key, value, `a whole number from ${least} to ${most}`);
  return least;
}

/** One of `choices`; its place there. */
export function readChoice(key: string, value: JSON.Value, choices: string[]): i32 {
  const given = isString(value) ? value.get<string>() : "";
  const place = choices.indexOf(given);
  if (place >= 0) return place;
  fail(key, value, `one of ${choices.join(", ")}`);
  return 0;
}

/** "250ms" or "2s" in milliseconds. */
export function readDuration(key: string, value: JSON.Value, least: u32, most: u32): u32 {
  const milliseconds = isString(value) ? durationOf(value.get<string>()) : -1;
  if (milliseconds >= <i64>least && milliseconds <= <i64>most) return <u32>milliseconds;
  fail(key, value, `a duration from "${least}ms" to "${most}ms", such as "250ms" or "2s",`);
  return least;
}

function durationOf(given: string): i64 {
  const unit: i64 = given.endsWith("ms") ? 1 : given.endsWith("s") ? 1000 : 0;
  const digits = given.length - (unit == 1 ? 2 : 1);
  if (unit == 0 || digits < 1 || digits > 9) return -1;
  let number: i64 = 0;
  for (let i = 0; i < digits; i++) {
    const digit = given.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number * unit;
}

/** The name of a model as it may stand in a header and in JSON as it is: 1...256 visible ASCII characters but " and \. */
export function readModelName(key: string, value: JSON.Value): string {
  const given = isString(value) ? value.get<string>() : "";
  if (isModelName(given)) return given;
  fail(key, value, `a model name (1 to ${MAX_MODEL_NAME_BYTES} visible ASCII characters but " and \\)`);
  return "?";
}

export function isModelName(given: string): bool {
  if (given.length < 1 || given.length > <i32>MAX_MODEL_NAME_BYTES) return false;
  for (let i = 0; i < given.length; i++) {
    const c = given.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c == 0x22 || c == 0x5c) return false;
  }
  return true;
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
export function readHeaderName(key: string, value: JSON.Value): string {
  const given = isString(value) ? value.get<string>().toLowerCase() : "";
  let valid = given.length >= 1 && given.length <= 128;
  for (let i = 0; i < given.length && valid; i++) {
    const c = given.charCodeAt(i);
    const letter = (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39);
    valid = letter || "!#$%&'*+-.^_`|~".indexOf(given.charAt(i)) >= 0;
  }
  if (valid && !OWN_HEADERS.includes(given)) return given;
  fail(key, value, `the name of a header that is none of ${OWN_HEADERS.join(", ")}`);
  return "x-invalid";
}
