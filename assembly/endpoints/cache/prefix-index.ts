// Estimates which endpoint has which prefix in its KV cache. One table has the pairs of prefix hash and endpoint.
//
// A block has 8 bytes in the table: a tag, and the stamp of the endpoint's clock (lru.ts) when the block was last sent to that
// endpoint. So a block counts as evicted when the endpoint has since used as many other blocks as its cache has room for. This
// is LRU without lists.
// Eight blocks make a set, which is one cache line. A full set gives up the block that its endpoint has evicted, or will evict
// first; the tag's low bits name the endpoint. If a set gave up any block, each long prefix would now and then lose a block,
// and with it all blocks behind that block.
// Blocks are touched from the last to the first, so that heads outlive tails and a binary search finds the longest match. If a
// block is missing and the next block is cached, the set gave the missing block up, so the missing block counts as cached.
//
// Memory: two blocks of the table for each block that the endpoints' caches have room for together, within 64 KiB to 4 MiB.
// The table grows when endpoints change, and growing forgets all blocks.
import {
  ENDPOINT_BLOCK_TOKENS,
  ENDPOINT_KV_BLOCKS,
  PREFIX_UNIT_TOKENS,
  UNKNOWN_CACHE_TOKENS,
} from "../../../protocol/constants";
import { mix } from "../../base/hash";
import { SnapshotView } from "../../snapshot/view";
import { entryOf } from "../entries";
import { Entry } from "../entry";
import { followLastSent, noteRefilled, noteSent } from "./last-sent";
import {
  addedStamp,
  ageOf,
  CLOCKS,
  clockOf,
  emptyCache,
  isCachedAt,
  newStamp,
  removeStamp,
  renewedStamp,
  setCapacity,
} from "./lru";
import { blockBytes, keyOfBlock, MAX_BLOCKS, Prompt, pieces, promptHash, setBlockBytes } from "./prompt";

@unmanaged
class Block {
  /** 22 bits of the key's hash, then the low bits of the endpoint's number. */
  tag: u32 = 0;
  /** Stamp of the block's last use (lru.ts); 0: the block is free. */
  stamp: u32 = 0;
}

const BLOCK_BYTES: u32 = offsetof<Block>();
const SET_BLOCKS: u32 = 8;
/** Bytes of a set: one cache line. */
const SET_BYTES: u32 = SET_BLOCKS * BLOCK_BYTES;
const MIN_SETS: u32 = 1024;
const MAX_SETS: u32 = 65536;
/** Foreign gateways are gateways that do not report to this Envoy's sidecars. Their prompts take this share of a cache. */
const UNSEEN_ROOM: f32 = 0.25;
/** Bytes of a token for updates without units, and for the size of the table. */
const USUAL_BYTES: u32 = 4;

/** The sets, aligned to SET_BYTES within the memory at `allocated`. */
let sets: usize = 0;
let allocated: usize = 0;
let setMask: u32 = 0;

/** Whether a configuration of this VM looks at prefixes. As long as none does, the index takes no memory. */
let used: bool = false;

/** Makes this VM follow prefixes, in pieces of `blockSize` bytes (prompt.ts). */
export function usePrefixes(blockSize: u32): void {
  used = true;
  setBlockBytes(blockSize);
}

/**
 * Takes over the sizes of the caches from a snapshot. If the table has to grow, all blocks are forgotten. Returns whether the index is
 * empty now because the table is new. `unseen`: the result of unseenWeight() (unseen.ts). The prompts of foreign gateways evict blocks
 * too, so the caches have less room for the prompts of this Envoy.
 */
export function followCaches(view: SnapshotView, unseen: f32 = 0): bool {
  if (!used) return false;
  let total: u64 = 0;
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const blocks: u64 = load<u32>(view.endpoint(i), ENDPOINT_KV_BLOCKS);
    const tokens: u64 = load<u32>(view.endpoint(i), ENDPOINT_BLOCK_TOKENS);
    const room = blocks == 0 || tokens == 0 ? UNKNOWN_CACHE_TOKENS : blocks * tokens;
    const units = <f32>min<u64>(room / PREFIX_UNIT_TOKENS, 1 << 28) * (1 - UNSEEN_ROOM * unseen);
    setCapacity(clockOf(entryOf(i).number), max<u32>(<u32>units, 1));
    total += min<u64>(max<u64>((room * USUAL_BYTES) / blockBytes(), 1), 1 << 30);
  }
  followLastSent(view, total);
  let wanted = MIN_SETS;
  while (wanted < MAX_SETS && <u64>wanted * SET_BLOCKS < total * 2) wanted <<= 1;
  if (sets && wanted <= setMask + 1) return false;
  if (sets) heap.free(allocated);
  allocated = heap.alloc((wanted + 1) * SET_BYTES);
  sets = (allocated + SET_BYTES - 1) & ~(<usize>SET_BYTES - 1);
  memory.fill(sets, 0, wanted * SET_BYTES);
  setMask = wanted - 1;
  return true;
}

/** Whether the table exists yet. */
export function hasTable(): bool {
  return sets != 0;
}

/** Loads the sets that matchPrefix() will read first, so that the loads of all candidates run at once (see touchAll()). */
export function askForPrefix(prompt: Prompt, seed: u64, entry: Entry): void {
  if (!sets || prompt.count == 0) return;
  const first = load<u32>(setOf(keyOf(promptHash(prompt, 0), seed, entry)));
  const second = load<u32>(setOf(keyOf(promptHash(prompt, min<u32>(1, prompt.count - 1)), seed, entry)));
  store<u32>(UNREAD, first + second);
}

/** Number of blocks from the prompt's start that the endpoint has probably cached. `seed`: the hash of model and cache_salt. */
export function matchPrefix(prompt: Prompt, seed: u64, entry: Entry): u32 {
  if (!sets) return 0;
  // Invariant: the blocks [0, low) are cached; no block from `high` on is.
  let low: u32 = 0;
  let high: u32 = prompt.count;
  let step: u32 = 1;
  while (low < high) {
    const probe = min(low + step, high) - 1;
    if (isCached(prompt, probe, seed, entry)) {
      low = probe + 1;
      step <<= 1;
    } else {
      high = probe;
      step = max<u32>((high - low) >> 1, 1);
    }
  }
  return low;
}

/** Stamp of the block that the endpoint used last. */
export function lastStamp(entry: Entry): u32 {
  return clockOf(entry.number).last;
}

/** Forgets the blocks of an endpoint that was restarted with an empty cache. */
export function forgetPrefixes(entry: Entry): void {
  emptyCache(clockOf(entry.number));
}

function keyOf(hash: u64, seed: u64, entry: Entry): u64 {
  return keyAt(keyOfBlock(hash, seed), entry);
}

/** Key of the pair of block and endpoint. `block`: the block's key (prompt.ts). */
function keyAt(block: u64, entry: Entry): u64 {
  return mix(block ^ entry.hash);
}

/** Whether the block, or the block after it, is cached. Both sets are loaded first, so that the two loads run at once. */
function isCached(prompt: Prompt, index: u32, seed: u64, entry: Entry): bool {
  const at = find(keyOf(promptHash(prompt, index), seed, entry), entry);
  const next = index + 1 < prompt.count ? find(keyOf(promptHash(prompt, index + 1), seed, entry), entry) : 0;
  return isLive(at, entry) || isLive(next, entry);
}

function isLive(at: usize, entry: Entry): bool {
  return at != 0 && isCachedAt(clockOf(entry.number), changetype<Block>(at).stamp);
}

function tagOf(key: u64, entry: Entry): u32 {
  return (<u32>(key >> 32) & ~(CLOCKS - 1)) | (entry.number & (CLOCKS - 1));
}

function setOf(key: u64): usize {
  return sets + (<u32>key & setMask) * SET_BYTES;
}

/** A mask with a bit for each u32 of a set that equals `value`. Even bits stand for tags, odd bits for stamps. */
function equalWords(set: usize, value: u32): u32 {
  const wanted = i32x4.splat(value);
  const low = i16x8.narrow_i32x4_s(i32x4.eq(v128.load(set), wanted), i32x4.eq(v128.load(set, 16), wanted));
  const high = i16x8.narrow_i32x4_s(i32x4.eq(v128.load(set, 32), wanted), i32x4.eq(v128.load(set, 48), wanted));
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

/** Address of the key's Block; 0: the table does not have the block. With 22 bits of hash, one probe in some 500,000 errs. */
function find(key: u64, entry: Entry): usize {
  const set = setOf(key);
  const found = equalWords(set, tagOf(key, entry)) & 0x5555;
  return found ? set + ctz(found) * 4 : 0;
}

/** The u64 key of each block that is being touched. */
const keys: usize = memory.data(MAX_BLOCKS * 8, 8);
/** Receives values that are loaded only to bring them into the CPU's cache. The compiler may drop a load without a use. */
const UNREAD: usize = memory.data(8, 8);

/** Units (protocol/constants.ts) of a piece with a token for every USUAL_BYTES. */
function usualUnits(): u32 {
  return max<u32>(blockBytes() / (USUAL_BYTES * PREFIX_UNIT_TOKENS), 1);
}

/**
 * Records that blocks were sent to the endpoint. `hashes` has `count` block hashes, a u64 each. `units` are the tokens of a piece,
 * in units of PREFIX_UNIT_TOKENS; 0: the usual tokens. The blocks' sets lie all over the table, so all sets are loaded first: the
 * loads run at once, and no block waits for a load of its own.
 */
export function touchAll(hashes: usize, count: u32, units: u32, seed: u64, entry: Entry): void {
  let asked: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(load<u64>(hashes + i * 8), seed, entry);
    store<u64>(keys + i * 8, key);
    asked += load<u32>(setOf(key));
  }
  store<u32>(UNREAD, asked);
  const perPiece = units == 0 ? usualUnits() : units;
  for (let i = count; i > 0; i--) touch(load<u64>(keys + (i - 1) * 8), entry, pieces(i - 1) * perPiece);
  noteSent(hashes, count, seed, entry);
}

function touch(key: u64, entry: Entry, size: u32): void {
  const clock = clockOf(entry.number);
  const known = find(key, entry);
  if (known) {
    const block = changetype<Block>(known);
    block.stamp = renewedStamp(clock, block.stamp, size);
    return;
  }
  const block = leastLikely(setOf(key));
  block.tag = tagOf(key, entry);
  block.stamp = newStamp(clock, size);
}

/**
 * Adds a block of a refill, which the endpoint has cached by what a sidecar knows. `block`: the block's key (prompt.ts); `size`: its
 * tokens in units of PREFIX_UNIT_TOKENS. A block that the index has is used again too: so all blocks have the refill's order, and no
 * block that was used before is evicted later.
 */
export function refillBlock(block: u64, size: u32, hot: bool, entry: Entry): void {
  const clock = clockOf(entry.number);
  const key = keyAt(block, entry);
  const known = find(key, entry);
  if (isLive(known, entry)) removeStamp(clock, changetype<Block>(known).stamp, size);
  const added = known ? changetype<Block>(known) : leastLikely(setOf(key));
  added.tag = tagOf(key, entry);
  added.stamp = addedStamp(clock, size, hot);
  noteRefilled(block, entry);
}

/** A free block of the set; if none is free, the block that its endpoint evicts first. */
function leastLikely(set: usize): Block {
  const empty = equalWords(set, 0) & 0xaaaa;
  if (empty) return changetype<Block>(set + (ctz(empty) - 1) * 4);
  let victim = set;
  // Ages are not negative, so their bits compare as integers in the same order. A choice between integers needs no branch.
  let oldest: i32 = -1;
  for (let at = set; at < set + SET_BYTES; at += BLOCK_BYTES) {
    const block = changetype<Block>(at);
    const age = reinterpret<i32>(ageOf(clockOf(block.tag), block.stamp));
    victim = select(at, victim, age > oldest);
    oldest = max(oldest, age);
  }
  return changetype<Block>(victim);
}
