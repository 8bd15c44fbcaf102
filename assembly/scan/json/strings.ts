// Reads strings.
//
//   string = '"' { character | escape } '"'
//   character = any code point in UTF-8 but '"', "\" and U+0000 to U+001F
//   escape = "\" ( '"' | "\" | "/" | "b" | "f" | "n" | "r" | "t" | "u" 4 hex digits )
//
// The loop takes steps of 64 bytes. Each block begins with the first byte of a character or escape. A block without quotes,
// backslashes and control characters costs one test. UTF-8 is checked only if the block has a byte >= 0x80, or a character
// before it needs continuation bytes. The caller has written 64 zero bytes at `end`. Zero is a control character, so no loop
// needs to know where the window ends.
import { hexDigit } from "../../base/bytes";
import { Block } from "../block";
import { utf8Boundary, utf8Length, utf8Triples, utf8Valid } from "../utf8";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Number of blocks that are validated by lookups (utf8.ts) after a block that needed the lookups. */
const LOOKUPS = 16;
/** Bits 1, 3, 5, ... Which backslashes of a run escape depends on whether the run begins at an even or odd byte. */
const ODD_BITS: u64 = 0xaaaaaaaaaaaaaaaa;

// Two lookups find escape letters. The high half of a byte gives one bit. The low half gives the bits of all high halves with which
// it forms an escape letter. High half 2 is '"' '/' (bit 1), 5 is '\' (2), 6 is 'b' 'f' 'n' (4), 7 is 'r' 't' 'u' (8).
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
 * Reads on in a string at `p`. Returns the address of the closing quote; else of the first byte, character or escape that is wrong
 * or that the end of the window cuts. So all bytes before the result are valid, and a quote at the result closes the string.
 */
export function scanString(p: usize, end: usize): usize {
  const quote = v128.load(TABLES);
  const backslash = v128.load(TABLES, 16);
  const control = v128.load(TABLES, 32);
  const e0 = v128.load(TABLES, 112);
  // Number of further blocks that utf8Valid() checks, because a lead byte that needs its lookups was met lately.
  let lookups = 0;
  // Bits of the bytes from `p` on that must be continuation bytes, because their characters began before `p`.
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
        // If the last byte is a backslash, its letter is in the next block, and that block begins with the backslash.
        step -= <usize>((codes & backslashes) >> 63);
        quotes &= ~escaped;
        // Nearly all escape letters are the quote, the backslash, n or t. Only blocks with other letters need the lookups.
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
          // If an escape's digits lie in the next block, that block begins with the escape.
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
        // Now E0 is 00, ED is 0D, longer leads are 10 to 1F, and C0 and C1, which are always overlong, are 20 and 21.
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
          // The lookups read the bytes before a block, so `carry` only needs some bit. The masks do not read these bytes, so with
          // masks the next block must begin with a character.
          if (lookups != 0) carry = load<u32>(p, 60) & 0x80808000;
          else {
            carry = 0;
            step = <usize>(utf8Boundary(p, p + 64) - p);
          }
        } else {
          carry = 0;
        }
      } else {
        // Any continuation byte may follow these lead bytes. So the block is valid if continuation bytes are exactly where the
        // lead bytes need them.
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
          // The block has no ASCII. So go to the first byte of the next character, and read on by characters of three bytes.
          p = utf8Triples(p + 61 + <usize>ctz((leads >> 61) | 8));
          carry = 0;
          continue;
        }
        // A shorter step ends before a backslash. So no character is open at its end, or `wrong` has a bit.
        carry = (leads >> 63) | (threes >> 62);
      }
    }

    // The mask covers the bits up to and with the first closing quote, or all bits if there is no closing quote.
    if ((wrong & (quotes ^ (quotes - 1))) != 0) return scanBytes(p, end);
    if (quotes != 0) return p + <usize>ctz(quotes);
    p += step;
  }
}

/** Does what scanString() does, byte by byte, for a block in which a byte is wrong or cut. `p` may be inside a character. */
function scanBytes(p: usize, end: usize): usize {
  // Go back to the first byte of the character at `p`. No lead byte precedes a string (see utf8.ts).
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

/** Number of bytes of the escape at `p`; 0 if the escape is wrong, or `end` cuts it. */
function escapeLength(p: usize, end: usize): u32 {
  if (end - p < 2) return 0;
  const letter = load<u8>(p, 1);
  if (letter == 0x75) return end - p >= 6 && hexDigits(p + 2, p + 6) ? 6 : 0;
  return isLetter(letter) ? 2 : 0;
}

/** Whether `end` cuts the escape at `p` and its bytes before `end` are valid. */
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
