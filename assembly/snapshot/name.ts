/** Well-formed UTF-8 without control characters: what may stand in a header and be compared byte by byte. */
export function isName(text: usize, length: u32): bool {
  let i: u32 = 0;
  while (i < length) {
    const lead: u32 = load<u8>(text + i);
    if (lead < 0x80) {
      if (lead < 0x20 || lead == 0x7f) return false;
      i++;
      continue;
    }
    const size: u32 = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (size == 0 || i + size > length) return false;
    for (let k: u32 = 1; k < size; k++) if ((load<u8>(text + i + k) & 0xc0) != 0x80) return false;
    const second: u32 = load<u8>(text + i + 1);
    // overlong forms, surrogates, above U+10FFFF
    if (lead == 0xe0 && second < 0xa0) return false;
    if (lead == 0xed && second > 0x9f) return false;
    if (lead == 0xf0 && second < 0x90) return false;
    if (lead == 0xf4 && second > 0x8f) return false;
    i += size;
  }
  return true;
}
