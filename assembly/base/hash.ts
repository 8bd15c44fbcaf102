// Hashes short texts and mixes hashes. The hashes have no cryptographic strength.

/** Hash of a text, never 0. Multiplies and folds words of 8 bytes, as wyhash does. An attacker can choose texts that collide. */
export function textHash(text: usize, length: u32): u64 {
  let hash: u64 = 0x9e3779b97f4a7c15 ^ length;
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) hash = mix(hash ^ load<u64>(text + i));
  let tail: u64 = 0;
  for (; i < length; i++) tail = (tail << 8) | load<u8>(text + i);
  return mix(hash ^ tail) | 1;
}

export function mix(x: u64): u64 {
  const product = x * 0xd6e8feb86659fd93;
  return (product ^ (product >> 32)) * 0xd6e8feb86659fd93;
}
