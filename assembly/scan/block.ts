// A block is 64 bytes, loaded as four vectors a, b, c and d. Each method compares every byte with `x` and returns a mask with a
// bit for each byte; the first byte has the lowest bit. The methods are static because Biome parses @inline on members only.

/** Bytes that must be readable and writable on either side of a window, because vectors are loaded across both ends. */
export const SLACK_BYTES: u32 = 64;

export class Block {
  @inline
  static bits(a: i32, b: i32, c: i32, d: i32): u64 {
    return <u64>a | ((<u64>b) << 16) | ((<u64>c) << 32) | ((<u64>d) << 48);
  }
  @inline
  static equal(a: v128, b: v128, c: v128, d: v128, x: v128): u64 {
    return Block.bits(
      i8x16.bitmask(i8x16.eq(a, x)),
      i8x16.bitmask(i8x16.eq(b, x)),
      i8x16.bitmask(i8x16.eq(c, x)),
      i8x16.bitmask(i8x16.eq(d, x)),
    );
  }
  @inline
  static atMost(a: v128, b: v128, c: v128, d: v128, x: v128): u64 {
    return Block.bits(
      i8x16.bitmask(i8x16.eq(i8x16.min_u(a, x), a)),
      i8x16.bitmask(i8x16.eq(i8x16.min_u(b, x), b)),
      i8x16.bitmask(i8x16.eq(i8x16.min_u(c, x), c)),
      i8x16.bitmask(i8x16.eq(i8x16.min_u(d, x), d)),
    );
  }
  @inline
  static atLeast(a: v128, b: v128, c: v128, d: v128, x: v128): u64 {
    return Block.bits(
      i8x16.bitmask(i8x16.ge_u(a, x)),
      i8x16.bitmask(i8x16.ge_u(b, x)),
      i8x16.bitmask(i8x16.ge_u(c, x)),
      i8x16.bitmask(i8x16.ge_u(d, x)),
    );
  }
}
