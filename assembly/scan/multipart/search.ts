// Finds a line in a part's data that may be a delimiter: CR or LF, then a hyphen. The loop takes steps of 64 bytes, so that
// reading a file of hundreds of megabytes costs little more than copying the file.
import { sameBytes } from "../../base/bytes";
import { Block } from "../block";

// Constants are loaded from static memory, because Envoy's V8 builds a literal v128 again in each turn of a loop.
// biome-ignore format: rows of sixteen
const TABLES: usize = memory.data<u8>([
  0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d,
  0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a,
  0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d, 0x2d,
], 16);

class Line {
  /** Byte i of the result is not 0 if byte i is CR or LF and byte i + 1 is a hyphen. */
  @inline
  static ends(p: usize, cr: v128, lf: v128, hyphen: v128): v128 {
    const v = v128.load(p);
    return v128.and(v128.or(i8x16.eq(v, cr), i8x16.eq(v, lf)), i8x16.eq(v128.load(p, 1), hyphen));
  }
  @inline
  static hyphens(p: usize, hyphen: v128): u64 {
    return Block.equal(v128.load(p), v128.load(p, 16), v128.load(p, 32), v128.load(p, 48), hyphen);
  }
}

/**
 * Address of the first CR or LF from `p` on that a delimiter follows; `end` if no delimiter follows. A delimiter that `end` cuts
 * counts if at least its first hyphen is before `end`. Reads up to SLACK_BYTES behind `end`.
 */
export function findLine(p: usize, end: usize, delimiter: usize, length: usize): usize {
  const cr = v128.load(TABLES);
  const lf = v128.load(TABLES, 16);
  const hyphen = v128.load(TABLES, 32);
  const head = load<u32>(delimiter) & 0xffffff;
  while (p < end) {
    const a = Line.ends(p, cr, lf, hyphen);
    const b = Line.ends(p + 16, cr, lf, hyphen);
    const c = Line.ends(p + 32, cr, lf, hyphen);
    const d = Line.ends(p + 48, cr, lf, hyphen);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) {
      let bits = Block.bits(i8x16.bitmask(a), i8x16.bitmask(b), i8x16.bitmask(c), i8x16.bitmask(d));
      // One hyphen at the start of a line is common in text, as in lists; two hyphens are not.
      if (end - p >= 66) bits &= Line.hyphens(p + 2, hyphen);
      while (bits != 0) {
        const q = p + <usize>ctz(bits);
        if (q + 1 >= end) return end;
        const there = end - q - 1;
        if (there < 3 || (load<u32>(q, 1) & 0xffffff) == head) {
          if (sameBytes(q + 1, delimiter, min(there, length))) return q;
        }
        bits &= bits - 1;
      }
    }
    p += 64;
  }
  return end;
}
