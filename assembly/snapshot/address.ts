// Checks the address of an endpoint: address = ipv4 ":" port | "[" ipv6 "]" ":" port.
//
// The address is written into a header, so it must have no byte that ends the header or adds to it. IPv6 addresses are not parsed
// further: an address that Envoy spells in another way equals no host of Envoy's cluster, so Envoy ignores the pick.
const COLON: u8 = 0x3a;
const DOT: u8 = 0x2e;
/** Longest text of an IPv6 address, which has 45 bytes, with its two brackets. */
const BRACKETED: u32 = 47;

export function isAddress(text: usize, length: u32): bool {
  let colon: u32 = length;
  while (colon > 0 && load<u8>(text + colon - 1) != COLON) colon--;
  if (colon < 2 || !isPort(text + colon, length - colon)) return false;
  const host = colon - 1;
  return load<u8>(text) == 0x5b ? isBracketed(text, host) : isIpv4(text, host);
}

function isPort(text: usize, length: u32): bool {
  const value = decimal(text, length, 5);
  return value >= 1 && value <= 65535;
}

/** The value of 1 to `most` decimal digits without a leading zero; -1 for any other text. */
function decimal(text: usize, length: u32, most: u32): i32 {
  if (length == 0 || length > most) return -1;
  if (length > 1 && load<u8>(text) == 0x30) return -1;
  let value = 0;
  for (let i: u32 = 0; i < length; i++) {
    const digit = <i32>load<u8>(text + i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function isIpv4(text: usize, length: u32): bool {
  let start: u32 = 0;
  for (let part = 0; part < 4; part++) {
    let end = start;
    while (end < length && load<u8>(text + end) != DOT) end++;
    const value = decimal(text + start, end - start, 3);
    if (value < 0 || value > 255) return false;
    if (part == 3) return end == length;
    start = end + 1;
  }
  return false;
}

function isBracketed(text: usize, length: u32): bool {
  if (length < 4 || length > BRACKETED || load<u8>(text + length - 1) != 0x5d) return false;
  let colons = 0;
  for (let i: u32 = 1; i < length - 1; i++) {
    const c = load<u8>(text + i);
    if (c == COLON) colons++;
    else if (!((c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x66) || c == DOT)) return false;
  }
  return colons >= 2;
}
