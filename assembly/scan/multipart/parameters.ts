// Reads the parameters of a header value. A value is refused unless all known parsers read the same parameters.
//
//   value = type *( blanks ";" [ blanks parameter ] ) blanks
//   parameter = 1*token "=" ( 1*plain | quoted )
//   plain = any byte except controls, blank, '"', "\", ";", ","
//   quoted = '"' *( any byte except controls, '"', "\" | escape ) '"'
//   escape = "\" '"' | "\\" | "\", of which a single "\" occurs in file names of Windows
//
// python-multipart counts quotes to find the end of a value, browsers escape nothing, and RFC 9110 allows any escape. All three
// agree unless a quoted value has both a ";" and an escaped quote, or an escaped backslash before its closing quote. Both are
// refused.

const TAB = 0x09;
const SPACE: u32 = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** Reads the parameters of a value one by one, with next(). All pointers point into the value. */
@unmanaged
export class Parameters {
  /** Addresses of the byte at which next() reads on, and of the value's end. */
  at: usize = 0;
  end: usize = 0;
  /** The key of the parameter that next() found. */
  key: usize = 0;
  keyEnd: usize = 0;
  /** The parameter's value, without quotes and with its escapes. */
  value: usize = 0;
  valueEnd: usize = 0;
  /** Whether the parameter's value has a backslash that escapes neither a quote nor a backslash. */
  stray: bool = false;
  /** Whether next() stopped because the header value is malformed. */
  malformed: bool = false;

  keyIs(lower: string): bool {
    return isWord(this.key, this.keyEnd, lower);
  }
  valueIs(lower: string): bool {
    return isWord(this.value, this.valueEnd, lower);
  }

  /** Reads the next parameter. False at the end of the header value, or if the value is malformed. */
  next(): bool {
    const end = this.end;
    let p = this.at;
    do {
      p = skipBlanks(p, end);
      if (p == end) return false;
      if (load<u8>(p) != SEMICOLON) return this.fail();
      p = skipBlanks(p + 1, end);
      if (p == end) return false;
    } while (load<u8>(p) == SEMICOLON);
    this.key = p;
    while (p < end && isToken(load<u8>(p))) p++;
    this.keyEnd = p;
    if (p == this.key || p == end || load<u8>(p) != EQUALS) return this.fail();
    p++;
    this.stray = false;
    if (p < end && load<u8>(p) == QUOTE) return this.quoted(p + 1);
    this.value = p;
    while (p < end && isPlain(load<u8>(p))) p++;
    this.valueEnd = p;
    this.at = p;
    return p == this.value ? this.fail() : true;
  }

  /** Reads a quoted value from the byte behind its first quote. */
  private quoted(p: usize): bool {
    const end = this.end;
    let escapedQuote = false;
    let semicolon = false;
    this.value = p;
    while (true) {
      if (p >= end) return this.fail();
      const c = load<u8>(p);
      if (c == QUOTE) break;
      p++;
      if ((c < SPACE && c != TAB) || c == 0x7f) return this.fail();
      if (c == SEMICOLON) semicolon = true;
      if (c != BACKSLASH) continue;
      const next: u32 = p < end ? load<u8>(p) : 0;
      if (next == QUOTE) {
        escapedQuote = true;
        p++;
      } else if (next == BACKSLASH) {
        p++;
        if (p < end && load<u8>(p) == QUOTE) return this.fail();
      } else {
        this.stray = true;
      }
    }
    this.valueEnd = p;
    this.at = p + 1;
    return escapedQuote && semicolon ? this.fail() : true;
  }

  private fail(): bool {
    this.malformed = true;
    return false;
  }
}

const reader: usize = memory.data(offsetof<Parameters>(), 8);

/** A reader of the parameters from `p` on, which is behind the header value's type. Valid until the next call. */
export function parametersOf(p: usize, end: usize): Parameters {
  memory.fill(reader, 0, offsetof<Parameters>());
  const parameters = changetype<Parameters>(reader);
  parameters.at = p;
  parameters.end = end;
  return parameters;
}

function isPlain(c: u32): bool {
  return c > SPACE && c != 0x7f && c != QUOTE && c != BACKSLASH && c != SEMICOLON && c != COMMA;
}

/** Whether the bytes are the word `lower`, in lower or upper case. `lower` is lower-case ASCII. */
export function isWord(p: usize, end: usize, lower: string): bool {
  return end - p == <usize>lower.length && startsWith(p, end, lower);
}

/** Whether the bytes begin with `lower`, in lower or upper case. */
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

/** Whether a byte may be in a token (RFC 9110). */
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

/** The end of the type that precedes the parameters, without the blanks behind the type. */
export function typeEnd(p: usize, end: usize): usize {
  let stop = p;
  while (stop < end && load<u8>(stop) != SEMICOLON) stop++;
  while (stop > p && (load<u8>(stop - 1) == SPACE || load<u8>(stop - 1) == TAB)) stop--;
  return stop;
}
