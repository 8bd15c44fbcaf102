// White space between tokens: one blank after "," or ":" mostly, else a line's end and its indentation.

// biome-ignore format: rows of sixteen
const TABLES: usize = memory.data<u8>([
  // By low half: the white space that ends so. Blanks are told by themselves, as swizzle gives 0 for all from 16 on.
  1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 10, 0, 0, 13, 0, 0,
  0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
], 16);

/** The first byte from `p` on that is no white space; the zero bytes behind the window are none. */
export function skipSpace(p: usize): usize {
  if (load<u8>(p) == 0x20 && load<u8>(p, 1) > 0x20) return p + 1;
  const table = v128.load(TABLES);
  const blank = v128.load(TABLES, 16);
  while (true) {
    const v = v128.load(p);
    const bits = i8x16.bitmask(v128.or(i8x16.eq(i8x16.swizzle(table, v), v), i8x16.eq(v, blank)));
    if (bits != 0xffff) return p + <usize>ctz(~bits);
    p += 16;
  }
}
