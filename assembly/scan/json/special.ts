// Makes a mask of the bytes that end or change a string, with a bit for each of 64 bytes. Short strings are read from this mask.
import { Block } from "../block";

// biome-ignore format: rows of sixteen
const TABLES: usize = memory.data<u8>([
  0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
  0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c, 0x5c,
  0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
], 16);

export class Special {
  @inline
  static of(v: v128, quote: v128, backslash: v128, space: v128): i32 {
    return i8x16.bitmask(v128.or(v128.or(i8x16.eq(v, quote), i8x16.eq(v, backslash)), i8x16.lt_s(v, space)));
  }
  /**
   * A mask with a bit for each quote, backslash, control character and byte >= 0x80 of the 64 bytes at `p`. As signed numbers,
   * control characters and bytes >= 0x80 are all below 0x20.
   */
  @inline
  static bytes(p: usize): u64 {
    const quote = v128.load(TABLES);
    const backslash = v128.load(TABLES, 16);
    const space = v128.load(TABLES, 32);
    return Block.bits(
      Special.of(v128.load(p), quote, backslash, space),
      Special.of(v128.load(p, 16), quote, backslash, space),
      Special.of(v128.load(p, 32), quote, backslash, space),
      Special.of(v128.load(p, 48), quote, backslash, space),
    );
  }
}
