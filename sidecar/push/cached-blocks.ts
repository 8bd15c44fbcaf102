// Which blocks the endpoints probably have cached, by the prefixes that the Envoys report. From here a worker is refilled whose prefix
// index is empty. Each endpoint has the blocks that it used last, as many as its cache has room for. A worker estimates the same
// (assembly/endpoints/cache/lru.ts).
//
// Memory: at most MAX_BLOCKS blocks, as many as a worker's table has room for. A block takes some 60 bytes.
import * as c from "../../protocol/constants.ts";
import { prefixStarts } from "../../protocol/traffic.ts";
import type { EndpointIndex } from "../snapshot/endpoint-index.ts";

const MAX_BLOCKS = 524_288;
/** An endpoint gives at least this many blocks at once, because finding it takes a look at all endpoints. */
const MIN_GIVEN = 1024;
/** Bits of a block's key above its lower 32. */
const KEY_HIGH_MASK = 2 ** (32 - c.CACHED_KEY_SHIFT) - 1;
const KEY_UNIT = 2 ** c.CACHED_KEY_SHIFT;

/** The cache of an endpoint. */
interface Cache {
  /** By a block's key: its size in units of PREFIX_UNIT_TOKENS, and CACHED_HOT. The block that was used first comes first. */
  blocks: Map<number, number>;
  /** Sum of the sizes. */
  units: number;
}

export class CachedBlocks {
  readonly #caches = new Map<bigint, Cache>();
  #blocks = 0;

  /** Number of blocks. */
  get size(): number {
    return this.#blocks;
  }

  /**
   * Uses the prefixes of a traffic report. `pieceBytes`: bytes of a piece of a prompt. `index`: the endpoints of the last snapshot. If
   * MAX_BLOCKS are exceeded, endpoints that `index` lacks are forgotten first.
   */
  use(prefixes: Uint8Array, pieceBytes: number, index: EndpointIndex): void {
    const view = new DataView(prefixes.buffer, prefixes.byteOffset, prefixes.byteLength);
    for (const at of prefixStarts(prefixes, "prefixes")) {
      const endpoint = view.getBigUint64(at + c.PREFIX_ENDPOINT, true);
      const cache = this.#caches.get(endpoint) ?? { blocks: new Map<number, number>(), units: 0 };
      this.#caches.set(endpoint, cache);
      this.#blocks -= cache.blocks.size;
      useRecord(cache, view, at, pieceBytes);
      evict(cache, index.roomOf(endpoint), MAX_BLOCKS);
      this.#blocks += cache.blocks.size;
      if (this.#blocks > MAX_BLOCKS) this.#makeRoom(index);
    }
  }

  /** Returns the parts of a refill with this number for the endpoints of `index`. Each part is a section CACHED. */
  parts(number: number, index: EndpointIndex): Uint8Array[] {
    const parts: Part[] = [];
    for (const [endpoint, { blocks }] of this.#caches) {
      if (index.indexOf(endpoint) === undefined) continue;
      const left = blocks.entries();
      for (let count = blocks.size; count > 0; ) {
        let part = parts.at(-1);
        if (part === undefined || part.room === 0) {
          part = new Part(number, parts.length);
          parts.push(part);
        }
        count -= part.add(endpoint, left, count);
      }
    }
    return parts.slice(0, c.MAX_CACHED_PARTS).map((part) => part.bytes);
  }

  #makeRoom(index: EndpointIndex): void {
    for (const [endpoint, { blocks }] of this.#caches) {
      if (index.indexOf(endpoint) !== undefined) continue;
      this.#blocks -= blocks.size;
      this.#caches.delete(endpoint);
    }
    // The endpoints that have most blocks give some of their oldest, so that endpoints that come later get their share.
    while (this.#blocks > MAX_BLOCKS) {
      const largest = this.#largest();
      const before = largest.blocks.size;
      const given = Math.min(before / 2, Math.max(MIN_GIVEN, this.#blocks - MAX_BLOCKS));
      evict(largest, Number.POSITIVE_INFINITY, Math.floor(before - given));
      this.#blocks += largest.blocks.size - before;
    }
  }

  #largest(): Cache {
    let largest: Cache = { blocks: new Map(), units: 0 };
    for (const cache of this.#caches.values()) if (cache.blocks.size > largest.blocks.size) largest = cache;
    return largest;
  }
}

/** Uses the blocks of a prefix record, from the last to the first, as workers do. */
function useRecord(cache: Cache, view: DataView, at: number, pieceBytes: number): void {
  const word = view.getUint16(at + c.PREFIX_COUNT, true);
  const units = word >> c.PREFIX_UNITS_SHIFT || Math.max(1, pieceBytes / (4 * c.PREFIX_UNIT_TOKENS));
  const seedLow = view.getUint32(at + c.PREFIX_SEED, true);
  const seedHigh = view.getUint32(at + c.PREFIX_SEED + 4, true);
  for (let i = (word & c.PREFIX_COUNT_MASK) - 1; i >= 0; i--) {
    const hash = at + c.PREFIX_BYTES + i * 8;
    const low = (view.getUint32(hash, true) ^ seedLow) >>> 0;
    const high = (view.getUint32(hash + 4, true) ^ seedHigh) & KEY_HIGH_MASK;
    const key = high * 2 ** 32 + low;
    const size = piecesOf(i, pieceBytes) * units;
    const before = cache.blocks.get(key);
    if (before !== undefined) {
      cache.units -= before & c.CACHED_SIZE_MASK;
      cache.blocks.delete(key);
    }
    cache.blocks.set(key, before === undefined ? size : size | c.CACHED_HOT);
    cache.units += size;
  }
}

/** Number of pieces in the block with this index (assembly/endpoints/cache/prompt.ts). */
function piecesOf(index: number, pieceBytes: number): number {
  if (pieceBytes !== c.PIECE_BYTES || index < c.PREFIX_SINGLE_BLOCKS) return 1;
  return index < c.PREFIX_FOURFOLD_BLOCKS ? 4 : 16;
}

/** Evicts the blocks that were used first, until the cache has at most this many units and blocks. */
function evict(cache: Cache, units: number, blocks: number): void {
  for (const [key, block] of cache.blocks) {
    if (cache.units <= units && cache.blocks.size <= blocks) return;
    cache.blocks.delete(key);
    cache.units -= block & c.CACHED_SIZE_MASK;
  }
}

/** A part of a refill while it is made. */
class Part {
  readonly #words = new DataView(new ArrayBuffer(c.MAX_CACHED_WORDS * c.CACHED_WORD_BYTES));
  #end = c.CACHED_WORD_BYTES;

  constructor(number: number, part: number) {
    const head = (BigInt(number) << BigInt(c.CACHED_PART_BITS)) | BigInt(part);
    this.#words.setBigUint64(0, head, true);
  }

  /** Number of blocks of another group for which there is room. */
  get room(): number {
    const left = this.#words.byteLength - this.#end - c.CACHED_GROUP_BYTES;
    return Math.max(0, Math.floor(left / c.CACHED_WORD_BYTES));
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer, 0, this.#end);
  }

  /** Adds the endpoint's next blocks, at most `count`, as many as there is room for. Returns how many. */
  add(endpoint: bigint, blocks: Iterator<[key: number, block: number]>, count: number): number {
    const added = Math.min(count, this.room);
    this.#words.setBigUint64(this.#end, endpoint, true);
    this.#words.setBigUint64(this.#end + c.CACHED_COUNT, BigInt(added), true);
    this.#end += c.CACHED_GROUP_BYTES;
    for (let i = 0; i < added; i++) {
      const [key, block] = blocks.next().value as [number, number];
      const high = Math.floor(key / KEY_UNIT);
      this.#words.setUint32(this.#end, ((key - high * KEY_UNIT) << c.CACHED_KEY_SHIFT) | block, true);
      this.#words.setUint32(this.#end + 4, high, true);
      this.#end += c.CACHED_WORD_BYTES;
    }
    return added;
  }
}
