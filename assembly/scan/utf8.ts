// Validates UTF-8 as in Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte". Each byte has three lookups:
// by the high half and the low half of the byte before it, and by its own high half. Each lookup returns bits of possible errors.
// A bit that all three return is an error. The bytes two and three before show where a second or third continuation byte must be.
//
// The bytes before a vector are loaded again, unaligned, instead of being carried along. So the three bytes before a string's first
// byte must not be lead bytes. They are not: a quote and the bytes before it are ASCII, and jsonFeed() clears the bytes before a
// window.
//
// The constants are loaded from static memory, because Envoy's V8 builds a literal v128 again in each turn of a loop.

const TOO_SHORT: u8 = 1; // lead byte, then no continuation byte
const TOO_LONG: u8 = 2; // ASCII, then a continuation byte
const OVERLONG_3: u8 = 4;
const TOO_LARGE: u8 = 8; // above U+10FFFF
const SURROGATE: u8 = 16;
const OVERLONG_2: u8 = 32;
const TOO_LARGE_1000: u8 = 64; // F5 to FF; has the same bit as OVERLONG_4
const OVERLONG_4: u8 = 64;
const TWO_CONTS: u8 = 128; // a continuation byte, then another: an error unless the bytes before require it
const CARRY: u8 = 131; // TOO_SHORT | TOO_LONG | TWO_CONTS

const E2: u8 = TOO_LONG | OVERLONG_2 | TWO_CONTS;
const L5: u8 = CARRY | TOO_LARGE | TOO_LARGE_1000;

// biome-ignore format: tables of sixteen
const TABLES: usize = memory.data<u8>([
  // high half of the byte before
  TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
  TWO_CONTS, TWO_CONTS, TWO_CONTS, TWO_CONTS,
  TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
  // low half of the byte before
  CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, CARRY | OVERLONG_2, CARRY, CARRY, CARRY | TOO_LARGE,
  L5, L5, L5, L5, L5, L5, L5, L5, L5 | SURROGATE, L5, L5,
  // high half of the byte
  TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
  E2 | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4, E2 | OVERLONG_3 | TOO_LARGE, E2 | SURROGATE | TOO_LARGE, E2 | SURROGATE | TOO_LARGE,
  TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
], 16);
// biome-ignore format: rows of sixteen
const MASKS: usize = memory.data<u8>([
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
  0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60, 0x60,
  0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70, 0x70,
  0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
], 16);

class Lookup {
  /** A byte of the result is not 0 if the same byte of `v` does not fit the three bytes before it. */
  @inline
  static errors(
    v: v128,
    prev1: v128,
    prev2: v128,
    prev3: v128,
    t1: v128,
    t2: v128,
    t3: v128,
    low: v128,
    m60: v128,
    m70: v128,
    m80: v128,
  ): v128 {
    const found = v128.and(
      v128.and(i8x16.swizzle(t1, v128.and(i16x8.shr_u(prev1, 4), low)), i8x16.swizzle(t2, v128.and(prev1, low))),
      i8x16.swizzle(t3, v128.and(i16x8.shr_u(v, 4), low)),
    );
    const must = v128.or(i8x16.sub_sat_u(prev2, m60), i8x16.sub_sat_u(prev3, m70));
    return v128.xor(v128.and(must, m80), found);
  }
}

/** Whether the 64 bytes at `p` are valid after the three bytes before them. A character that their end cuts is not checked. */
export function utf8Valid(p: usize): bool {
  const t1 = v128.load(TABLES);
  const t2 = v128.load(TABLES, 16);
  const t3 = v128.load(TABLES, 32);
  const low = v128.load(MASKS);
  const m60 = v128.load(MASKS, 16);
  const m70 = v128.load(MASKS, 32);
  const m80 = v128.load(MASKS, 48);
  // This is a loop because V8 would load all vectors of straight-line code first and spill most of them. `q` is three bytes before
  // the vector, because the offset of a wasm load cannot be negative.
  let errors = i8x16.splat(0);
  for (let q = p - 3, stop = p + 61; q < stop; q += 16) {
    const found = Lookup.errors(
      v128.load(q, 3),
      v128.load(q, 2),
      v128.load(q, 1),
      v128.load(q, 0),
      t1,
      t2,
      t3,
      low,
      m60,
      m70,
      m80,
    );
    errors = v128.or(errors, found);
  }
  return !v128.any_true(errors);
}

// First three rows with the bits to compare, then three rows with the values that these bits must have. The rows of each three are
// for vectors whose first byte is byte 0, 1 or 2 of a character. Then E0 and ED.
// biome-ignore format: rows of sixteen
const TRIPLES: usize = memory.data<u8>([
  0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0,
  0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0,
  0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0, 0xf0, 0xc0, 0xc0,
  0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0,
  0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80,
  0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80, 0xe0, 0x80, 0x80,
  0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0,
  0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed, 0xed,
], 16);

/**
 * Skips characters of three bytes, sixteen at a time. `p` is a character's first byte. Stops before 48 bytes that have any other
 * character, or a lead byte E0 or ED. After E0 and ED some continuation bytes make an overlong form or a surrogate.
 */
export function utf8Triples(p: usize): usize {
  const m0 = v128.load(TRIPLES);
  const m1 = v128.load(TRIPLES, 16);
  const m2 = v128.load(TRIPLES, 32);
  const x0 = v128.load(TRIPLES, 48);
  const x1 = v128.load(TRIPLES, 64);
  const x2 = v128.load(TRIPLES, 80);
  const e0 = v128.load(TRIPLES, 96);
  const ed = v128.load(TRIPLES, 112);
  while (true) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const wrong = v128.or(
      v128.or(v128.xor(v128.and(a, m0), x0), v128.xor(v128.and(b, m1), x1)),
      v128.xor(v128.and(c, m2), x2),
    );
    const rare = v128.or(
      v128.or(v128.or(i8x16.eq(a, e0), i8x16.eq(a, ed)), v128.or(i8x16.eq(b, e0), i8x16.eq(b, ed))),
      v128.or(i8x16.eq(c, e0), i8x16.eq(c, ed)),
    );
    if (v128.any_true(v128.or(wrong, rare))) return p;
    p += 48;
  }
}

/** Bytes of the well-formed character at `p`, by table 3-7 of the Unicode standard; 0 if no such character ends by `end`. */
export function utf8Length(p: usize, end: usize): u32 {
  const c = load<u8>(p);
  if (c < 0x80) return 1;
  const left = end - p;
  if (c < 0xc2 || c > 0xf4 || left < 2) return 0;
  const second = load<u8>(p, 1);
  if (c < 0xe0) return (second & 0xc0) == 0x80 ? 2 : 0;
  if (left < 3 || (load<u8>(p, 2) & 0xc0) != 0x80) return 0;
  if (c < 0xf0) {
    const from: u32 = c == 0xe0 ? 0xa0 : 0x80;
    const to: u32 = c == 0xed ? 0x9f : 0xbf;
    return second >= from && second <= to ? 3 : 0;
  }
  if (left < 4 || (load<u8>(p, 3) & 0xc0) != 0x80) return 0;
  const from: u32 = c == 0xf0 ? 0x90 : 0x80;
  const to: u32 = c == 0xf4 ? 0x8f : 0xbf;
  return second >= from && second <= to ? 4 : 0;
}

/** Whether a text is well-formed UTF-8. Made for short texts, because it reads byte by byte. */
export function utf8Whole(p: usize, end: usize): bool {
  while (p < end) {
    const size = utf8Length(p, end);
    if (size == 0) return false;
    p += size;
  }
  return true;
}

/** The end of the last whole character: `end`, or the first byte of a character that `end` cuts. */
export function utf8Boundary(data: usize, end: usize): usize {
  const from = end - data < 3 ? data : end - 3;
  for (let p = end; p > from; ) {
    p--;
    const c = load<u8>(p);
    if (c < 0x80) break;
    if (c >= 0xc0) {
      const size: usize = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      return p + size > end ? p : end;
    }
  }
  return end;
}
