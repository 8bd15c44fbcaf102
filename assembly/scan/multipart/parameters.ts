// Parameters of a header value, read only where every parser reads the same.
//
//   value = type *( blanks ";" [ blanks parameter ] ) blanks
//   parameter = 1*token "=" ( 1*plain | quoted )
//   plain = any byte but controls, blank, '"', "\", ";", ","
//   quoted = '"' *( any byte but controls, '"', "\" | escape ) '"'
//   escape = "\" '"' | "\\" | "\", the last as Windows puts it into file names
//
// python-multipart counts quotes to find where a value ends, browsers escape nothing, RFC 9110 escapes all: they agree
// unless a ";" stands in a quoted value with an escaped quote, or an escaped backslash stands before the closing quote.
// Both are refused.

const TAB = 0x09;
const SPACE: u32 = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** The parameter that nextParameter() found last; pointers into the value. */
export class Parameter {
  static key: usize = 0;
  static keyEnd: usize = 0;
  /** Without quotes, escapes as they stand. */
  static value: usize = 0;
  static valueEnd: usize = 0;
  static quoted: bool = false;
  /** A backslash that escapes neither quote nor backslash. */
  static stray: bool = false;
  /** No parameter was found because the value is malformed. */
  static malformed: bool = false;

  static keyIs(lower: string): bool {
    return isWord(Parameter.key, Parameter.keyEnd, lower);
  }
  static valueIs(lower: string): bool {
    return isWord(Parameter.value, Parameter.valueEnd, lower);
  }
}

/** Whether the bytes are `lower`, a word of lower-case ASCII, in any case. */
export function isWord(p: usize, end: usize, lower: string): bool {
  return end - p == <usize>lower.length && startsWith(p, end, lower);
}

/** Whether the bytes begin with `lower` in any case. */
export function startsWith(p: usize, end: usize, lower: string): bool {
  const length = lower.length;
  if (end - p < <usize>length) return false;
  for (let i = 0; i < length; i++) {
    let c: u32 = load<u8>(p + i);
    if (c - 0x41 < 26) c |= 0x20;
    if (c != load<u16>(changetype<usize>(lower) + ((<usize>i) << 1))) return false;
  }
  return true;
}

/** A character of RFC 9110's token. */
export function isToken(c: u32): bool {
  if ((c | 0x20) - 0x61 < 26 || c - 0x30 < 10) return true;
  // ! # $ % & ' * + - . ^ _ ` | ~
  if (c - 0x21 < 14) return ((0x367d >> (c - 0x21)) & 1) != 0;
  return c == 0x5e || c == 0x5f || c == 0x60 || c == 0x7c || c == 0x7e;
}

export function skipBlanks(p: usize, end: usize): usize {
  while (p < end && (load<u8>(p) == SPACE || load<u8>(p) == TAB)) p++;
  return p;
}

/** The end of the type that stands before the parameters, blanks trimmed. */
export function typeEnd(p: usize, end: usize): usize {
  let stop = p;
  while (stop < end && load<u8>(stop) != SEMICOLON) stop++;
  while (stop > p && (load<u8>(stop - 1) == SPACE || load<u8>(stop - 1) == TAB)) stop--;
  return stop;
}

/** Reads the parameter that follows `p` into Parameter; the byte after it, 0 where there is none. */
export function nextParameter(p: usize, end: usize): usize {
  Parameter.malformed = false;
  while (true) {
    p = skipBlanks(p, end);
    if (p == end) return 0;
    if (load<u8>(p) != SEMICOLON) return malformed();
    p = skipBlanks(p + 1, end);
    if (p == end) return 0;
    if (load<u8>(p) != SEMICOLON) break;
  }
  Parameter.key = p;
  while (p < end && isToken(load<u8>(p))) p++;
  Parameter.keyEnd = p;
  if (p == Parameter.key || p == end || load<u8>(p) != EQUALS) return malformed();
  p++;
  Parameter.stray = false;
  Parameter.quoted = p < end && load<u8>(p) == QUOTE;
  if (Parameter.quoted) return quotedValue(p + 1, end);
  Parameter.value = p;
  while (p < end && isPlain(load<u8>(p))) p++;
  Parameter.valueEnd = p;
  return p == Parameter.value ? malformed() : p;
}

function isPlain(c: u32): bool {
  return c > SPACE && c != 0x7f && c != QUOTE && c != BACKSLASH && c != SEMICOLON && c != COMMA;
}

function quotedValue(p: usize, end: usize): usize {
  let escapedQuote = false;
  let semicolon = false;
  Parameter.value = p;
  while (true) {
    if (p >= end) return malformed();
    const c = load<u8>(p);
    if (c == QUOTE) break;
    p++;
    if ((c < SPACE && c != TAB) || c == 0x7f) return malformed();
    if (c == SEMICOLON) semicolon = true;
    if (c != BACKSLASH) continue;
    const next: u32 = p < end ? load<u8>(p) : 0;
    if (next == QUOTE) {
      escapedQuote = true;
      p++;
    } else if (next == BACKSLASH) {
      p++;
      if (p < end && load<u8>(p) == QUOTE) return malformed();
    } else {
      Parameter.stray = true;
    }
  }
  Parameter.valueEnd = p;
  return escapedQuote && semicolon ? malformed() : p + 1;
}

function malformed(): usize {
  Parameter.malformed = true;
  return 0;
}
