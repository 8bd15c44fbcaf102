// Strings.
//
//   string = '"' { character | escape } '"'
//   character = any code point in UTF-8 but '"', "\" and U+0000 to U+001F
//   escape = "\" ( '"' | "\" | "/" | "b" | "f" | "n" | "r" | "t" | "u" 4 hex digits )
//
// 64 bytes a step, from a character's or escape's first byte on. A block with no quote, backslash or control character
// costs one test; UTF-8 is looked at only where a byte >= 0x80 is in the block or may want a byte of it. Whoever calls
// has written 64 zero bytes at `end`: zero is a control character, so no loop needs to know where the window ends.
import { hexDigit } from "../../base/bytes";
import { Block } from "../block";
import { utf8Boundary, utf8Length, utf8Triples, utf8Valid } from "../utf8";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Bits 1, 3, 5, ...: where a run of backslashes begins decides which of its bytes escape. */
const LOOKUPS = 16;
const ODD_BITS: u64 = 0xaaaaaaaaaaaaaaaa;

// Escape letters by two lookups: one bit per high half, and for a low half the bits of the high halves it goes with.
// High 2: '"' '/' (bit 1), 5: '\' (2), 6: 'b' 'f' 'n' (4), 7: 'r' 't' 'u' (8).
// biome-ignore format: rows of sixteen
const TABLES: usize = memory.data<u8>([
  0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
  0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c,
  0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f,
  0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
  0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 13, 0, 8, 8, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1,
  0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0, 0xe0,
], 16);

class Bytes {
  @inline
  static letters(v: v128, low: v128, high: v128, nibble: v128): i32 {
    const l = i8x16.swizzle(low, v128.and(v, nibble));
    const h = i8x16.swizzle(high, v128.and(i16x8.shr_u(v, 4), nibble));
    return i8x16.bitmask(i8x16.eq(v128.and(l, h), i8x16.splat(0)));
  }
  @inline
  static hex(v: v128): i32 {
    const digit = i8x16.sub(v, i8x16.splat(0x30));
    const letter = i8x16.sub(v128.or(v, i8x16.splat(0x20)), i8x16.splat(0x61));
    return i8x16.bitmask(
      v128.or(
        i8x16.eq(i8x16.min_u(digit, i8x16.splat(9)), digit),
        i8x16.eq(i8x16.min_u(letter, i8x16.splat(5)), letter),
      ),
    );
  }
}

/**
 * From inside a string to its closing quote; or to the first byte, character or escape that is wrong or that the
 * window's end cuts. So everything before the result is good, and a quote at the result always closes the string.
 */
export function scanString(p: usize, end: usize): usize {
  const quote = v128.load(TABLES);
  const backslash = v128.load(TABLES, 16);
  const control = v128.load(TABLES, 32);
  const e0 = v128.load(TABLES, 112);
  // Blocks to come that are judged by the lookups of utf8.ts, as one with a lead byte that takes them was met.
  let lookups = 0;
  // Bytes at `p` that must be continuation bytes, as characters that began before want them.
  let carry: u64 = 0;
  while (true) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    const least = i8x16.min_u(i8x16.min_u(a, b), i8x16.min_u(c, d));
    const low = i8x16.eq(i8x16.min_u(least, control), least);
    const hits = v128.or(
      v128.or(
        v128.or(v128.or(i8x16.eq(a, quote), i8x16.eq(b, quote)), v128.or(i8x16.eq(c, quote), i8x16.eq(d, quote))),
        v128.or(
          v128.or(i8x16.eq(a, backslash), i8x16.eq(b, backslash)),
          v128.or(i8x16.eq(c, backslash), i8x16.eq(d, backslash)),
        ),
      ),
      low,
    );
    const hit = v128.any_true(hits);
    const some = i8x16.bitmask(v128.or(v128.or(a, b), v128.or(c, d)));
    if (!hit && (<u64>some | carry) == 0) {
      p += 64;
      continue;
    }

    let quotes: u64 = 0;
    let wrong: u64 = 0;
    let step: usize = 64;
    if (hit) {
      const quoted = Block.equal(a, b, c, d, quote);
      quotes = quoted;
      if (v128.any_true(low)) wrong = Block.atMost(a, b, c, d, control);
      const backslashes = Block.equal(a, b, c, d, backslash);
      if (backslashes != 0) {
        const maybe = backslashes << 1;
        const codes = ((maybe | ODD_BITS) - backslashes) ^ ODD_BITS;
        const escaped = codes ^ backslashes;
        // A backslash in the last byte whose letter is in the next block: begin that block with it.
        step -= <usize>((codes & backslashes) >> 63);
        quotes &= ~escaped;
        // Nearly all letters are of these four; the lookups are for blocks with another.
        const others =
          escaped &
          ~(
            quoted |
            backslashes |
            Block.equal(a, b, c, d, i8x16.splat(0x6e)) |
            Block.equal(a, b, c, d, i8x16.splat(0x74))
          );
        let units: u64 = 0;
        if (others != 0) {
          const lows = v128.load(TABLES, 96);
          const highs = v128.load(TABLES, 80);
          const nibble = v128.load(TABLES, 64);
          wrong |=
            others &
            Block.bits(
              Bytes.letters(a, lows, highs, nibble),
              Bytes.letters(b, lows, highs, nibble),
              Bytes.letters(c, lows, highs, nibble),
              Bytes.letters(d, lows, highs, nibble),
            );
          units = others & Block.equal(a, b, c, d, i8x16.splat(0x75));
        }
        if (units != 0) {
          const digits = Block.bits(Bytes.hex(a), Bytes.hex(b), Bytes.hex(c), Bytes.hex(d));
          const pairs = (units << 1) | (units << 2);
          wrong |= (pairs | (pairs << 2)) & ~digits;
          // Digits that lie in the next block: begin that with the escape.
          const cut = units >> 60;
          if (cut != 0) step = 59 + <usize>ctz(cut);
        }
      }
    }

    if ((<u64>some | carry) != 0) {
      if (lookups == 0) {
        const xa = v128.xor(a, e0);
        const xb = v128.xor(b, e0);
        const xc = v128.xor(c, e0);
        const xd = v128.xor(d, e0);
        // E0 is 0 now, ED 0D, leads of four bytes and more 10 to 1F, the two that are always overlong 20 and 21.
        const zero = i8x16.splat(0);
        const ed = i8x16.splat(0x0d);
        const ten = i8x16.splat(0x10);
        const rare = i8x16.min_u(
          i8x16.min_u(i8x16.sub(xa, ten), i8x16.sub(xb, ten)),
          i8x16.min_u(i8x16.sub(xc, ten), i8x16.sub(xd, ten)),
        );
        const narrow = v128.or(
          v128.or(v128.or(i8x16.eq(xa, zero), i8x16.eq(xb, zero)), v128.or(i8x16.eq(xc, zero), i8x16.eq(xd, zero))),
          v128.or(v128.or(i8x16.eq(xa, ed), i8x16.eq(xb, ed)), v128.or(i8x16.eq(xc, ed), i8x16.eq(xd, ed))),
        );
        if (v128.any_true(v128.or(narrow, i8x16.lt_u(rare, i8x16.splat(0x12))))) lookups = LOOKUPS;
      }
      if (lookups != 0) {
        if (!utf8Valid(p)) return scanBytes(p, end);
        lookups--;
        if (step == 64) {
          // The lookups see what stands before a block: any bit will do. The masks do not: begin with a character.
          if (lookups != 0) carry = load<u32>(p, 60) & 0x80808000;
          else {
            carry = 0;
            step = <usize>(utf8Boundary(p, p + 64) - p);
          }
        } else {
          carry = 0;
        }
      } else {
        // Only leads that any continuation byte may follow: it is enough that each byte is where one is wanted.
        const wide = Block.bits(i8x16.bitmask(a), i8x16.bitmask(b), i8x16.bitmask(c), i8x16.bitmask(d));
        const continuation = i8x16.splat(-64);
        const continued = Block.bits(
          i8x16.bitmask(i8x16.lt_s(a, continuation)),
          i8x16.bitmask(i8x16.lt_s(b, continuation)),
          i8x16.bitmask(i8x16.lt_s(c, continuation)),
          i8x16.bitmask(i8x16.lt_s(d, continuation)),
        );
        const three = i8x16.splat(-33);
        const leads = wide ^ continued;
        const threes =
          wide &
          Block.bits(
            i8x16.bitmask(i8x16.gt_s(a, three)),
            i8x16.bitmask(i8x16.gt_s(b, three)),
            i8x16.bitmask(i8x16.gt_s(c, three)),
            i8x16.bitmask(i8x16.gt_s(d, three)),
          );
        wrong |= continued ^ ((leads << 1) | (threes << 2) | carry);
        if (~wide == 0) {
          if (wrong != 0) return scanBytes(p, end);
          // No ASCII at all: on to the next character's first byte, and in threes from there.
          p = utf8Triples(p + 61 + <usize>ctz((leads >> 61) | 8));
          carry = 0;
          continue;
        }
        // A step that is shorter begins the next block with a backslash: no character is open there, or `wrong` tells.
        carry = (leads >> 63) | (threes >> 62);
      }
    }

    // All bits up to and with the first quote that closes; all where there is none.
    if ((wrong & (quotes ^ (quotes - 1))) != 0) return scanBytes(p, end);
    if (quotes != 0) return p + <usize>ctz(quotes);
    p += step;
  }
}

/** scanString, byte by byte: where something is wrong or cut. `p` may stand inside a character. */
function scanBytes(p: usize, end: usize): usize {
  // A character that may have begun before `p` is judged whole. No lead byte stands before a string (see utf8.ts).
  for (let back: usize = 1; back <= 3; back++) {
    const c = load<u8>(p - back);
    if (c < 0x80) break;
    if (c >= 0xc0) {
      p -= back;
      break;
    }
  }
  while (p < end) {
    const c = load<u8>(p);
    if (c == QUOTE || c < 0x20) return p;
    if (c == BACKSLASH) {
      const size = escapeLength(p, end);
      if (size == 0) return p;
      p += size;
    } else {
      const size = utf8Length(p, end);
      if (size == 0) return p;
      p += size;
    }
  }
  return p;
}

/** Bytes of the escape at `p`; 0 where it is wrong or not complete before `end`. */
function escapeLength(p: usize, end: usize): u32 {
  if (end - p < 2) return 0;
  const letter = load<u8>(p, 1);
  if (letter == 0x75) return end - p >= 6 && hexDigits(p + 2, p + 6) ? 6 : 0;
  return isLetter(letter) ? 2 : 0;
}

/** Whether the escape at `p` is right as far as it goes and the window's end cuts it. */
export function escapeCut(p: usize, end: usize): bool {
  if (end - p < 2) return true;
  return load<u8>(p, 1) == 0x75 && end - p < 6 && hexDigits(p + 2, end);
}

function hexDigits(from: usize, to: usize): bool {
  for (let p = from; p < to; p++) {
    if (hexDigit(load<u8>(p)) > 15) return false;
  }
  return true;
}

function isLetter(c: u32): bool {
  return c == QUOTE || c == BACKSLASH || c == 0x2f || c == 0x62 || c == 0x66 || c == 0x6e || c == 0x72 || c == 0x74;
}
