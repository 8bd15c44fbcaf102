// A second, simple implementation of the scanner, by the rules of Python's json.loads(bytes). It reads the whole body byte by
// byte, with recursion, and strings as lists of UTF-16 units. It shares only the meaning of codes and kinds with assembly/scan.
// These are numbers here on purpose, because they are an interface. reference.test.ts compares this implementation with a real
// Python, if one is installed.
import type { Field, Found, Outcome } from "../../testkit/scan/scanner.ts";

class Refused {
  readonly code: number;
  readonly offset: number;
  constructor(code: number, offset: number) {
    this.code = code;
    this.offset = offset;
  }
}

const ENCODING = 1;
const EMPTY = 2;
const NOT_OBJECT = 3;
const END = 4;
const KEY = 5;
const COLON = 6;
const VALUE = 7;
const COMMA = 8;
const TRAILING_COMMA = 9;
const TRAILING = 10;
const LITERAL = 11;
const NUMBER = 12;
const DIGITS = 13;
const CONTROL = 14;
const ESCAPE = 15;
const UTF8 = 16;
const DEPTH = 17;
const DUPLICATE = 18;

const KINDS = { string: 1, number: 2, true: 3, false: 4, null: 5, object: 6, array: 7, tooLong: 8, lone: 9 };

interface Value {
  kind: number;
  units: number[];
  start: number;
  end: number;
}

export function reference(
  body: Uint8Array,
  fields: readonly Field[],
  options: { maxDepth?: number; rejectDuplicates?: boolean } = {},
): Outcome {
  const maxDepth = options.maxDepth || 512;
  const hashed: string[] = [];
  let at = 0;

  const byte = () => (at < body.length ? (body[at] as number) : -1);
  const char = () => (at < body.length ? String.fromCharCode(body[at] as number) : "");
  const isDigit = () => char() >= "0" && char() <= "9";
  const space = () => {
    while (char() !== "" && " \t\r\n".includes(char())) at++;
  };
  const refuse = (code: number, offset = at): never => {
    throw new Refused(offset >= body.length ? END : code, Math.min(offset, body.length));
  };

  function codePoint(): number {
    const from = at;
    const lead = byte();
    at++;
    if (lead < 0x80) return lead;
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    let code = lead & (0x3f >> more);
    for (let i = 0; i < more; i++) {
      if (byte() >> 6 !== 2) throw new Refused(UTF8, from);
      code = code * 64 + (byte() & 0x3f);
      at++;
    }
    const least = [0, 0x80, 0x800, 0x10000][more] as number;
    if (lead < 0xc0 || lead > 0xf7 || code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw new Refused(UTF8, from);
    }
    return code;
  }

  function string(): number[] {
    const units: number[] = [];
    at++;
    while (true) {
      if (at >= body.length) refuse(END);
      if (char() === '"') {
        at++;
        return units;
      }
      if (byte() < 0x20) refuse(CONTROL);
      if (char() !== "\\") {
        const text = String.fromCodePoint(codePoint());
        for (let i = 0; i < text.length; i++) units.push(text.charCodeAt(i));
        continue;
      }
      const from = at;
      at++;
      if (at >= body.length) refuse(END);
      const plain = '"\\/bfnrt'.indexOf(char());
      if (plain >= 0) {
        units.push('"\\/\b\f\n\r\t'.charCodeAt(plain));
        at++;
      } else if (char() === "u") {
        let unit = 0;
        for (let i = 0; i < 4; i++) {
          at++;
          if (at >= body.length) refuse(END);
          if (!/[0-9a-fA-F]/.test(char())) throw new Refused(ESCAPE, from);
          unit = unit * 16 + Number.parseInt(char(), 16);
        }
        units.push(unit);
        at++;
      } else {
        throw new Refused(ESCAPE, from);
      }
    }
  }

  function number(): void {
    const from = at;
    if (char() === "-") at++;
    const first = at;
    if (!isDigit()) refuse(NUMBER);
    const zero = char() === "0";
    while (isDigit()) {
      at++;
      if (zero && isDigit()) refuse(NUMBER);
    }
    const digits = at - first;
    let whole = true;
    if (char() === ".") {
      whole = false;
      at++;
      if (!isDigit()) refuse(NUMBER);
      while (isDigit()) at++;
    }
    if (char() === "e" || char() === "E") {
      whole = false;
      at++;
      if (char() === "+" || char() === "-") at++;
      if (!isDigit()) refuse(NUMBER);
      while (isDigit()) at++;
    }
    if (whole && digits > 4300) refuse(DIGITS, from);
  }

  function literal(text: string): void {
    for (let i = 0; i < text.length; i++) {
      if (at + i >= body.length) refuse(END, body.length);
      if (body[at + i] !== text.charCodeAt(i)) refuse(LITERAL);
    }
    at += text.length;
  }

  /** Reads a value. Its units are the UTF-16 units of a string, or the unchanged bytes of a number or literal. */
  function value(depth: number): Value {
    const start = at;
    const raw = (kind: number): Value => ({ kind, units: [...body.subarray(start, at)], start, end: at });
    const c = char();
    if (c === '"') {
      const units = string();
      return { kind: KINDS.string, units, start, end: at };
    }
    if (c === "{") {
      object(depth + 1);
      return { kind: KINDS.object, units: [], start, end: at };
    }
    if (c === "[") {
      array(depth + 1);
      return { kind: KINDS.array, units: [], start, end: at };
    }
    if (c === "-" && body[at + 1] === 0x49) literal("-Infinity");
    else if (c === "-" || isDigit()) number();
    else if (c === "N") literal("NaN");
    else if (c === "I") literal("Infinity");
    else if (c === "t") literal("true");
    else if (c === "f") literal("false");
    else if (c === "n") literal("null");
    else refuse(VALUE);
    return raw(c === "t" ? KINDS.true : c === "f" ? KINDS.false : c === "n" ? KINDS.null : KINDS.number);
  }

  function array(depth: number): void {
    if (depth > maxDepth) refuse(DEPTH);
    at++;
    space();
    if (char() === "]") {
      at++;
      return;
    }
    while (true) {
      value(depth);
      space();
      if (char() === "]") {
        at++;
        return;
      }
      if (char() !== ",") refuse(COMMA);
      at++;
      space();
      if (char() === "]") refuse(TRAILING_COMMA);
    }
  }

  function object(depth: number): Map<string, Value> {
    const members = new Map<string, Value>();
    if (depth > maxDepth) refuse(DEPTH);
    at++;
    space();
    if (char() === "}") {
      at++;
      return members;
    }
    while (true) {
      const keyAt = at;
      if (char() !== '"') refuse(KEY);
      const key = String.fromCharCode(...string());
      const wanted = depth === 1 ? fields.find((field) => field.name === key) : undefined;
      if (options.rejectDuplicates && wanted && members.has(key)) throw new Refused(DUPLICATE, keyAt);
      space();
      if (char() !== ":") refuse(COLON);
      at++;
      space();
      const found = value(depth);
      members.set(key, found);
      if (wanted?.hashed) hashed.push(Buffer.from(body.subarray(found.start, found.end)).toString("latin1"));
      space();
      if (char() === "}") {
        at++;
        return members;
      }
      if (char() !== ",") refuse(COMMA);
      at++;
      space();
      if (char() === "}") refuse(TRAILING_COMMA);
    }
  }

  try {
    const b = (i: number) => body[i];
    const long = body.length >= 4 || body.length === 2;
    if ((b(0) === 0xff && b(1) === 0xfe) || (b(0) === 0xfe && b(1) === 0xff) || (long && (b(0) === 0 || b(1) === 0))) {
      throw new Refused(ENCODING, 0);
    }
    if (b(0) === 0xef && b(1) === 0xbb && b(2) === 0xbf) at = 3;
    space();
    if (at >= body.length) throw new Refused(EMPTY, at);
    if (!'{["-0123456789tfnNI'.includes(char())) throw new Refused(VALUE, at);
    if (char() !== "{") throw new Refused(NOT_OBJECT, at);
    const members = object(1);
    space();
    if (at < body.length) throw new Refused(TRAILING, at);
    return { code: 0, offset: at, fields: fields.map((field) => kept(field, members.get(field.name))), hashed };
  } catch (error) {
    if (error instanceof Refused) return { code: error.code, offset: error.offset, fields: [], hashed: [] };
    throw error;
  }
}

function kept(field: Field, value: Value | undefined): Found {
  if (!value) return { kind: 0, bytes: "", start: 0, end: 0 };
  const { start, end } = value;
  if (field.capacity === 0) return { kind: value.kind, bytes: "", start, end };
  const text = String.fromCharCode(...value.units);
  // Buffer encodes half a surrogate pair as U+FFFD.
  const bytes = value.kind === KINDS.string ? Buffer.from(text, "utf8") : Buffer.from(text, "latin1");
  if (bytes.length > field.capacity) return { kind: KINDS.tooLong, bytes: "", start, end };
  if (value.kind === KINDS.string && /\p{Surrogate}/u.test(text)) return { kind: KINDS.lone, bytes: "", start, end };
  return { kind: value.kind, bytes: bytes.toString("latin1"), start, end };
}
