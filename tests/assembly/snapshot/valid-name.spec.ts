import { isName } from "../../../assembly/snapshot/valid-name";

const text: usize = memory.data(16, 8);

function accepts(bytes: u8[]): bool {
  for (let i = 0; i < bytes.length; i++) store<u8>(text + i, bytes[i]);
  // The bytes behind the text would complete a character that was cut.
  for (let i = bytes.length; i < 16; i++) store<u8>(text + i, 0x80);
  return isName(text, bytes.length);
}

/** Whether the bytes encode a Unicode scalar value by RFC 3629. Decodes byte by byte. */
function isScalar(lead: u32, second: u32, third: u32, fourth: u32, size: u32): bool {
  if (size == 2) return lead >= 0xc0 && lead < 0xe0 && (((lead & 31) << 6) | (second & 63)) >= 0x80;
  if (size == 3) {
    const code = ((lead & 15) << 12) | ((second & 63) << 6) | (third & 63);
    return code >= 0x800 && (code < 0xd800 || code > 0xdfff);
  }
  const code = ((lead & 7) << 18) | ((second & 63) << 12) | ((third & 63) << 6) | (fourth & 63);
  return code >= 0x10000 && code <= 0x10ffff;
}

describe("name", () => {
  test("accepts each byte below 0x80 except control characters", () => {
    for (let c: u32 = 0; c < 0x80; c++) expect(accepts([<u8>c])).toBe(c >= 0x20 && c != 0x7f);
  });

  test("refuses a single byte from 0x80 on", () => {
    for (let c: u32 = 0x80; c < 0x100; c++) expect(accepts([<u8>c])).toBe(false);
  });

  test("accepts the pairs of bytes that UTF-8 allows", () => {
    for (let lead: u32 = 0xc0; lead < 0xe0; lead++)
      for (let second: u32 = 0; second < 256; second++) {
        const valid = (second & 0xc0) == 0x80 && isScalar(lead, second, 0, 0, 2);
        if (accepts([<u8>lead, <u8>second]) != valid) throw new Error(`${lead} ${second}`);
      }
  });

  test("accepts the three bytes that UTF-8 allows: no overlong form, no surrogate", () => {
    for (let lead: u32 = 0xe0; lead < 0xf0; lead++)
      for (let second: u32 = 0; second < 256; second++)
        for (let third: u32 = 0x7f; third < 0xc1; third += 0x21) {
          const tails = (second & 0xc0) == 0x80 && (third & 0xc0) == 0x80;
          const valid = tails && isScalar(lead, second, third, 0, 3);
          if (accepts([<u8>lead, <u8>second, <u8>third]) != valid) throw new Error(`${lead} ${second} ${third}`);
        }
  });

  test("accepts the four bytes that UTF-8 allows: nothing overlong, nothing above U+10FFFF", () => {
    for (let lead: u32 = 0xf0; lead < 0x100; lead++)
      for (let second: u32 = 0; second < 256; second++) {
        const valid = lead < 0xf8 && (second & 0xc0) == 0x80 && isScalar(lead, second, 0x80, 0xbf, 4);
        if (accepts([<u8>lead, <u8>second, 0x80, 0xbf]) != valid) throw new Error(`${lead} ${second}`);
      }
    expect(accepts([0xf0, 0x9f, 0x90, 0xc0])).toBe(false);
    expect(accepts([0xf0, 0x9f, 0x7f, 0x9f])).toBe(false);
  });

  test("refuses a character that the end cuts, whatever bytes lie behind", () => {
    expect(accepts([0x61, 0xc3])).toBe(false);
    expect(accepts([0x61, 0xe2, 0x82])).toBe(false);
    expect(accepts([0x61, 0xf0, 0x9f, 0x90])).toBe(false);
    expect(accepts([0x61, 0xf0, 0x9f, 0x90, 0x9f, 0x62])).toBe(true);
  });
});
