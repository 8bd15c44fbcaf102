// Decodes captured strings: wanted values and top-level keys. A segment is a part of a string that the scanner has found valid. A
// segment ends between characters and escapes, never inside.
//
//   escape = "\" ( '"' | "\" | "/" | "b" | "f" | "n" | "r" | "t" | "u" 4 hex digits )
//
// Python joins a high surrogate and the low surrogate behind it, and keeps any other surrogate. Such a surrogate is lone. It is
// written as U+FFFD here, which has three bytes too, and the capture gets a flag.
import { hexDigit } from "../../base/bytes";
import { CAPTURE_LONE_SURROGATE, CAPTURE_TOO_LONG, ScanState } from "./scan-state";

const BACKSLASH = 0x5c;
const REPLACEMENT = 0xfffd;

export function decodeStart(state: ScanState): void {
  state.surrogate = 0;
  state.capture = 0;
}

/** Appends a segment to the `length` bytes at `to` and returns the new length. If `capacity` is exceeded, only a flag is set. */
export function decodeSegment(state: ScanState, to: usize, length: u32, capacity: u32, from: usize, end: usize): u32 {
  while (from < end) {
    if (state.capture & CAPTURE_TOO_LONG) return length;
    const c = load<u8>(from);
    if (c != BACKSLASH) {
      length = decodeFlush(state, to, length, capacity);
      let run = from + 1;
      while (run < end && load<u8>(run) != BACKSLASH) run++;
      const size = <u32>(run - from);
      if (size > capacity - length) {
        tooLong(state);
      } else {
        memory.copy(to + length, from, size);
        length += size;
      }
      from = run;
      continue;
    }
    const letter = load<u8>(from, 1);
    if (letter != 0x75) {
      length = decodeFlush(state, to, length, capacity);
      length = put(state, to, length, capacity, escaped(letter));
      from += 2;
      continue;
    }
    const unit = hexUnit(from + 2);
    from += 6;
    const high = state.surrogate;
    if (high != 0 && (unit & 0xfc00) == 0xdc00) {
      state.surrogate = 0;
      length = put(state, to, length, capacity, 0x10000 + ((high & 0x3ff) << 10) + (unit & 0x3ff));
      continue;
    }
    length = decodeFlush(state, to, length, capacity);
    if ((unit & 0xfc00) == 0xd800) {
      state.surrogate = unit;
    } else if ((unit & 0xfc00) == 0xdc00) {
      length = lone(state, to, length, capacity);
    } else {
      length = put(state, to, length, capacity, unit);
    }
  }
  return length;
}

/** Writes a high surrogate that waits for its low half as a lone surrogate: the string ends, or another character follows. */
export function decodeFlush(state: ScanState, to: usize, length: u32, capacity: u32): u32 {
  if (state.surrogate == 0) return length;
  state.surrogate = 0;
  return lone(state, to, length, capacity);
}

function lone(state: ScanState, to: usize, length: u32, capacity: u32): u32 {
  state.capture |= CAPTURE_LONE_SURROGATE;
  return put(state, to, length, capacity, REPLACEMENT);
}

function tooLong(state: ScanState): void {
  state.capture |= CAPTURE_TOO_LONG;
}

function put(state: ScanState, to: usize, length: u32, capacity: u32, code: u32): u32 {
  const size: u32 = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  if (size > capacity - length) {
    tooLong(state);
    return length;
  }
  const at = to + length;
  if (size == 1) {
    store<u8>(at, code);
  } else if (size == 2) {
    store<u8>(at, 0xc0 | (code >> 6));
    store<u8>(at, 0x80 | (code & 0x3f), 1);
  } else if (size == 3) {
    store<u8>(at, 0xe0 | (code >> 12));
    store<u8>(at, 0x80 | ((code >> 6) & 0x3f), 1);
    store<u8>(at, 0x80 | (code & 0x3f), 2);
  } else {
    store<u8>(at, 0xf0 | (code >> 18));
    store<u8>(at, 0x80 | ((code >> 12) & 0x3f), 1);
    store<u8>(at, 0x80 | ((code >> 6) & 0x3f), 2);
    store<u8>(at, 0x80 | (code & 0x3f), 3);
  }
  return length + size;
}

function escaped(letter: u32): u32 {
  switch (letter) {
    case 0x62:
      return 8;
    case 0x66:
      return 12;
    case 0x6e:
      return 10;
    case 0x72:
      return 13;
    case 0x74:
      return 9;
    default:
      return letter;
  }
}

function hexUnit(at: usize): u32 {
  return (
    (hexDigit(load<u8>(at)) << 12) |
    (hexDigit(load<u8>(at, 1)) << 8) |
    (hexDigit(load<u8>(at, 2)) << 4) |
    hexDigit(load<u8>(at, 3))
  );
}
