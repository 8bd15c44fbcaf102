// Finds how many tokens a response says that its prompt has, in the last bytes of the response:
//
//   "usage": { "prompt_tokens": N, ... }      OpenAI's chat completions, completions, embeddings
//   "usage": { "input_tokens": N, ... }       OpenAI's Responses API, Anthropic's messages
//
// Anthropic's input_tokens leaves out cached tokens: cache_read_input_tokens and cache_creation_input_tokens are added.
//
// The bytes may begin within a string. A quotation mark within a string has a backslash before it. So a quotation mark after `{`, a
// comma or a blank begins a string, and text that a model wrote never looks like the member "usage". Only an object that the server
// copies from the request could have such a member. Servers write `usage` after those objects, so the last member "usage" counts.
import { Bytes, bytesEqual, bytesOf } from "../base/bytes";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const COLON: u32 = 0x3a;
const COMMA: u32 = 0x2c;
const OPEN: u32 = 0x7b;
const CLOSE: u32 = 0x7d;

const MAX_TOKENS: u32 = 16777216;
/** Digits of the longest number that is read. */
const MAX_DIGITS: u32 = 9;

const USAGE = bytesOf('"usage"');
const PROMPT_TOKENS = bytesOf("prompt_tokens");
const INPUT_TOKENS = bytesOf("input_tokens");
const CACHE_READ = bytesOf("cache_read_input_tokens");
const CACHE_CREATION = bytesOf("cache_creation_input_tokens");

/** Position of the reading, and the end of the bytes. */
let at: usize = 0;
let end: usize = 0;

/** Returns the prompt's tokens by the last member "usage" in the bytes, 1...16,777,216; 0: the bytes do not say. */
export function promptTokensIn(from: usize, length: u32): u32 {
  end = from + length;
  if (length <= USAGE.length) return 0;
  for (at = end - USAGE.length; at > from; at--) {
    if (!beginsMember(load<u8>(at - 1)) || !bytesEqual(at, USAGE.length, USAGE.pointer, USAGE.length)) continue;
    at += USAGE.length;
    return pass(COLON) && pass(OPEN) ? tokensOfObject() : 0;
  }
  return 0;
}

/** Whether a member may begin after this byte. */
function beginsMember(byte: u32): bool {
  return byte == OPEN || byte == COMMA || isBlank(byte);
}

/** Reads the members of `usage` up to the object's end. */
function tokensOfObject(): u32 {
  let own: u32 = 0;
  let cached: u32 = 0;
  do {
    if (!pass(QUOTE)) return 0;
    const name = at;
    if (!passString()) return 0;
    const length = <u32>(at - 1 - name);
    if (!pass(COLON)) return 0;
    passBlanks();
    if (is(name, length, PROMPT_TOKENS) || is(name, length, INPUT_TOKENS)) {
      const tokens = passNumber();
      if (tokens == 0) return 0;
      own = max(own, tokens);
    } else if (
      at < end &&
      isDigit(load<u8>(at)) &&
      (is(name, length, CACHE_READ) || is(name, length, CACHE_CREATION))
    ) {
      cached += passNumber();
    } else if (!passValue()) return 0;
  } while (pass(COMMA));
  const tokens = own + cached;
  return own > 0 && tokens <= MAX_TOKENS && pass(CLOSE) ? tokens : 0;
}

function is(name: usize, length: u32, expected: Bytes): bool {
  return bytesEqual(name, length, expected.pointer, expected.length);
}

function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

function passBlanks(): void {
  while (at < end && isBlank(load<u8>(at))) at++;
}

/** Passes blanks and then the byte. Returns false if another byte comes. */
function pass(byte: u32): bool {
  passBlanks();
  if (at >= end || load<u8>(at) != byte) return false;
  at++;
  return true;
}

/** Passes the rest of a string and the quotation mark at its end. */
function passString(): bool {
  while (at < end) {
    const byte: u32 = load<u8>(at++);
    if (byte == QUOTE) return true;
    if (byte == BACKSLASH) at++;
  }
  return false;
}

/** Passes a number of at most MAX_DIGITS digits, and returns it; 0: there is none, or more than digits. */
function passNumber(): u32 {
  let value: u32 = 0;
  let digits: u32 = 0;
  for (; at < end && isDigit(load<u8>(at)); at++) {
    if (++digits > MAX_DIGITS) return 0;
    value = value * 10 + (load<u8>(at) - 0x30);
  }
  return value;
}

/** Passes a value of any kind, up to the comma or bracket after it. */
function passValue(): bool {
  let depth: u32 = 0;
  while (at < end) {
    const byte: u32 = load<u8>(at);
    if (depth == 0 && (byte == COMMA || byte == CLOSE)) return true;
    at++;
    if (byte == QUOTE) {
      if (!passString()) return false;
    } else if (byte == OPEN || byte == 0x5b) depth++;
    else if (byte == CLOSE || byte == 0x5d) {
      if (depth == 0) return false;
      depth--;
    }
  }
  return false;
}
