// Encodes and decodes the section CACHED: a part of a refill, for workers whose prefix index is empty. README.md draws the layout.
import * as c from "./constants.ts";
import { BROKEN_CACHED } from "./rules.ts";
import { SnapshotError } from "./snapshot-error.ts";

/** A block of CACHED. */
interface CachedBlock {
  /** The lower 48 bits of (hash of the block ^ hash of model and cache salt). */
  key: bigint;
  /** Tokens in units of PREFIX_UNIT_TOKENS. */
  size: number;
  /** Whether requests used the block again while it was cached. */
  hot: boolean;
}

/** A part of a refill. */
export interface CachedView {
  /** The refill's number, below 2^56. */
  number: bigint;
  part: number;
  /** Blocks of each endpoint, from the block that was used first to the block that was used last. */
  endpoints: Array<{ endpoint: bigint; blocks: CachedBlock[] }>;
}

export function encodeCached({ number, part, endpoints }: CachedView): Uint8Array {
  const words = [(number << BigInt(c.CACHED_PART_BITS)) | BigInt(part)];
  for (const { endpoint, blocks } of endpoints) {
    words.push(endpoint, BigInt(blocks.length));
    for (const { key, size, hot } of blocks)
      words.push((key << BigInt(c.CACHED_KEY_SHIFT)) | BigInt(size | (hot ? c.CACHED_HOT : 0)));
  }
  return new Uint8Array(new BigUint64Array(words).buffer);
}

/** Throws a SnapshotError that names the broken field. */
export function decodeCached(bytes: Uint8Array, field: string): CachedView {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < c.CACHED_WORD_BYTES) throw new SnapshotError(BROKEN_CACHED, field, bytes.length, "a head");
  const head = view.getBigUint64(0, true);
  const part = Number(head & 0xffn);
  if (part >= c.MAX_CACHED_PARTS)
    throw new SnapshotError(BROKEN_CACHED, `${field}.part`, part, `below ${c.MAX_CACHED_PARTS}`);
  const endpoints: CachedView["endpoints"] = [];
  for (let at = c.CACHED_WORD_BYTES; at < bytes.length; ) {
    const first = at + c.CACHED_GROUP_BYTES;
    const count = first <= bytes.length ? Number(view.getBigUint64(at + c.CACHED_COUNT, true)) : 0;
    const group = `${field}.endpoints[${endpoints.length}]`;
    if (count < 1 || first + count * c.CACHED_WORD_BYTES > bytes.length)
      throw new SnapshotError(BROKEN_CACHED, `${group}.blocks`, count, "1 or more blocks inside it");
    const blocks = Array.from({ length: count }, (_, i) => {
      const word = view.getBigUint64(first + i * c.CACHED_WORD_BYTES, true);
      const size = Number(word & BigInt(c.CACHED_SIZE_MASK));
      if (size === 0) throw new SnapshotError(BROKEN_CACHED, `${group}.blocks[${i}].size`, size, "at least 1");
      const hot = (word & BigInt(c.CACHED_HOT)) !== 0n;
      return { key: word >> BigInt(c.CACHED_KEY_SHIFT), size, hot };
    });
    endpoints.push({ endpoint: view.getBigUint64(at, true), blocks });
    at = first + count * c.CACHED_WORD_BYTES;
  }
  return { number: head >> BigInt(c.CACHED_PART_BITS), part, endpoints };
}
