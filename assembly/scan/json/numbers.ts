// Reads numbers.
//
//   number = [ "-" ] ( "0" | digit 1-9 { digit } ) [ "." digit { digit } ] [ ( "e" | "E" ) [ "+" | "-" ] digit { digit } ]
//
// Most numbers are short and lie in one window. One mask shows the digits of such a number, or of many numbers of an array. All
// other numbers are read byte by byte, by a small automaton whose state outlives the window.
import { Block } from "../block";
import { ScanState } from "./scan-state";

const ZERO: u32 = 0x30;
const MINUS = 0x2d;
const DOT = 0x2e;
/** CPython's default for sys.set_int_max_str_digits. */
const MAX_INTEGER_DIGITS: u32 = 4300;

// States of the automaton. A state says what was read last.
export const NUMBER_START: u32 = 0;
const AFTER_MINUS: u32 = 1;
const AFTER_ZERO: u32 = 2;
const IN_INTEGER: u32 = 3;
const AFTER_DOT: u32 = 4;
const IN_FRACTION: u32 = 5;
const AFTER_E: u32 = 6;
const AFTER_SIGN: u32 = 7;
const IN_EXPONENT: u32 = 8;

// biome-ignore format: rows of sixteen
const DIGITS: usize = memory.data<u8>([
  0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30,
  9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
  0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c, 0x2c,
  0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d,
  0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e,
  0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
], 16);

class Digits {
  @inline
  static bits(v: v128, zero: v128, nine: v128): i32 {
    const digit = i8x16.sub(v, zero);
    return i8x16.bitmask(i8x16.eq(i8x16.min_u(digit, nine), digit));
  }
  /** A mask with the bit behind each run of digits that begins in `starts`. The sum carries through the whole run. */
  @inline
  static ends(digits: u64, starts: u64): u64 {
    return (digits + (starts & digits)) & ~digits;
  }
}

/** The address behind the number at `p`; 0 if the number is wrong, longer than 31 bytes, or may continue behind `end`. */
export function numberShort(p: usize, end: usize): usize {
  const zero = v128.load(DIGITS);
  const nine = v128.load(DIGITS, 16);
  // The bits from 32 on mean "no digit", so that every run ends.
  const others = ~(
    <u64>Digits.bits(v128.load(p), zero, nine) |
    ((<u64>Digits.bits(v128.load(p, 16), zero, nine)) << 16)
  );
  let at: u64 = load<u8>(p) == MINUS ? 1 : 0;
  const first = load<u8>(p + <usize>at);
  let run = ctz(others >> at);
  if (run == 0 || (first == ZERO && run != 1)) return 0;
  at += run;
  let c = load<u8>(p + <usize>at);
  if (c == DOT) {
    at++;
    run = ctz(others >> at);
    if (run == 0) return 0;
    at += run;
    c = load<u8>(p + <usize>at);
  }
  if ((c | 0x20) == 0x65) {
    c = load<u8>(p + <usize>at, 1);
    at += c == MINUS || c == 0x2b ? 2 : 1;
    run = ctz(others >> at);
    if (run == 0) return 0;
    at += run;
  }
  return at < 32 && p + <usize>at < end ? p + <usize>at : 0;
}

/**
 * Skips numbers of an array, each in the form "number ',' [ ' ' ]", in steps of 64 bytes. A number may begin at `p` and at the
 * result. All bytes before the result are valid. The caller must read on at the result.
 */
export function numberList(p: usize): usize {
  const zero = v128.load(DIGITS);
  const nine = v128.load(DIGITS, 16);
  const comma = v128.load(DIGITS, 32);
  const minus = v128.load(DIGITS, 48);
  const dot = v128.load(DIGITS, 64);
  const space = v128.load(DIGITS, 80);
  while (true) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    const digits = Block.bits(
      Digits.bits(a, zero, nine),
      Digits.bits(b, zero, nine),
      Digits.bits(c, zero, nine),
      Digits.bits(d, zero, nine),
    );
    const commas = Block.equal(a, b, c, d, comma);
    const minuses = Block.equal(a, b, c, d, minus);
    const dots = Block.equal(a, b, c, d, dot);
    const spaces = Block.equal(a, b, c, d, space);
    const zeros = Block.equal(a, b, c, d, zero);

    const values = (commas << 1) | 1;
    const indented = values & spaces;
    const numbers = (values ^ indented) | (indented << 1);
    const negative = numbers & minuses;
    const integers = (numbers ^ negative) | (negative << 1);
    const integerEnds = Digits.ends(digits, integers);
    let ends = integerEnds | Digits.ends(digits, dots << 1);
    let wrong = (((integers & zeros) << 1) & digits) | (dots & ~integerEnds);
    if ((commas & ~ends) != 0) {
      const exponents = Block.equal(
        v128.or(a, space),
        v128.or(b, space),
        v128.or(c, space),
        v128.or(d, space),
        i8x16.splat(0x65),
      );
      wrong |= exponents & ~ends;
      const powers = exponents << 1;
      const signs = powers & (minuses | Block.equal(a, b, c, d, i8x16.splat(0x2b)));
      ends |= Digits.ends(digits, (powers ^ signs) | (signs << 1));
      wrong |= commas & ~ends;
    }
    // Runs of digits reach from a comma to the dot, from the dot to the "e", and from the "e" to the next comma. So no other byte
    // can be between two valid commas, and a mistake in a number is at or before its comma.
    const right = commas & (wrong != 0 ? (wrong & (0 - wrong)) - 1 : ~0);
    if (right == 0) return p;
    p += 64 - <usize>clz(right);
    if (wrong != 0) return p;
  }
}

/** Reads on in a number of any length. Returns the address of the first byte that cannot belong to the number, or `end`. */
export function numberLong(state: ScanState, p: usize, end: usize): usize {
  let at = state.number;
  let digits = state.digits;
  while (p < end) {
    const c: u32 = load<u8>(p);
    if (c - ZERO < 10) {
      // A digit behind a leading zero does not belong to the number. No valid token begins with it, so numberEnded() refuses it.
      if (at == AFTER_ZERO) break;
      if (at <= IN_INTEGER) {
        at = c == ZERO && at != IN_INTEGER ? AFTER_ZERO : IN_INTEGER;
        digits = min<u32>(digits + 1, MAX_INTEGER_DIGITS + 1);
      } else if (at <= IN_FRACTION) {
        at = IN_FRACTION;
      } else {
        at = IN_EXPONENT;
      }
    } else if (c == MINUS && at == NUMBER_START) {
      at = AFTER_MINUS;
    } else if (c == DOT && (at == AFTER_ZERO || at == IN_INTEGER)) {
      at = AFTER_DOT;
    } else if ((c | 0x20) == 0x65 && (at == AFTER_ZERO || at == IN_INTEGER || at == IN_FRACTION)) {
      at = AFTER_E;
    } else if ((c == MINUS || c == 0x2b) && at == AFTER_E) {
      at = AFTER_SIGN;
    } else {
      break;
    }
    p++;
  }
  state.number = at;
  state.digits = digits;
  return p;
}

/** Whether the bytes so far are a whole number, if the byte `next` follows them. */
export function numberEnded(state: ScanState, next: u32): bool {
  const at = state.number;
  if (at == AFTER_ZERO) return next - ZERO >= 10;
  return at == IN_INTEGER || at == IN_FRACTION || at == IN_EXPONENT;
}

export function numberTooManyDigits(state: ScanState): bool {
  return state.number == IN_INTEGER && state.digits > MAX_INTEGER_DIGITS;
}
