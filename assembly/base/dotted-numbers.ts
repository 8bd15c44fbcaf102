// Numbers in a header's value: decimal digits, with a dot between two numbers. A number above 2^64 - 1 wraps.

/** Parses exactly `count` numbers, and writes them to `target` as u64. Returns false if the text has another form. */
export function parseDotted(text: usize, length: u32, target: usize, count: u32): bool {
  let found: u32 = 0;
  let number: u64 = 0;
  let digits: u32 = 0;
  for (let i: u32 = 0; i <= length; i++) {
    const c: u32 = i < length ? load<u8>(text + i) : 0x2e;
    if (c == 0x2e) {
      if (digits == 0 || found == count) return false;
      store<u64>(target + found++ * 8, number);
      number = 0;
      digits = 0;
    } else if (c < 0x30 || c > 0x39) return false;
    else {
      number = number * 10 + (c - 0x30);
      digits++;
    }
  }
  return found == count;
}
