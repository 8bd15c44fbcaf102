// Skips white space between tokens. Mostly the white space is one blank after "," or ":"; else it is a line end and indentation.

// biome-ignore format: rows of sixteen
const TABLES: usize = memory.data<u8>([
  // Row 1 has, for each low half of a byte, the white space with this low half. Swizzle returns 0 for every index from 16 on, so a
  // blank (0x20) is compared with row 2 instead.
  1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 10, 0, 0, 13, 0, 0,
  0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
], 16);

/** Address of the first byte from `p` on that is not white space. It exists, because the bytes behind the window are 0. */
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
