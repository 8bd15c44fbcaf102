// Compares bytes in blocks of 64.

export const COMPARED_BYTES: u32 = 64;

/** Whether the blocks at two addresses have the same bytes. */
export function sameBlock(a: usize, b: usize): bool {
  const first = v128.or(v128.xor(v128.load(a), v128.load(b)), v128.xor(v128.load(a, 16), v128.load(b, 16)));
  const second = v128.or(v128.xor(v128.load(a, 32), v128.load(b, 32)), v128.xor(v128.load(a, 48), v128.load(b, 48)));
  return !v128.any_true(v128.or(first, second));
}
