// Which endpoint is likely to have which prefix in its KV cache: one table of (prefix hash, endpoint) for all endpoints.
//
// A block has 8 bytes in the table, a tag and a stamp: the endpoint's own clock (lru.ts) when the block was last sent there. So a
// block counts as evicted once as many others were used after it as the endpoint's cache has room for: LRU without lists.
// Eight blocks make a set, one cache line. A full set gives up the block that its endpoint has evicted, or will evict first; the
// tag's low bits say whose it is. Giving up any block would lose one of each long prefix now and then, and with it what stands
// behind it.
// Blocks are touched from the last to the first, so that heads outlive tails and a binary search finds the longest match. A
// block that is missing where the next one is there was given up by its set, and counts as cached.
//
// Memory: two blocks of the table for each block that the endpoints' caches have room for together, 64 KiB to 4 MiB. Set when
// endpoints change, which forgets everything.
import { ENDPOINT_BLOCK_TOKENS, ENDPOINT_KV_BLOCKS } from "../../../protocol/constants";
import { mix } from "../../base/hash";
import { SnapshotView } from "../../snapshot/view";
import { entryOf } from "../entries";
import { Entry } from "../entry";
import { followLastSent, noteSent } from "./last-sent";
import { ageOf, CLOCKS, clockOf, emptyCache, isCachedAt, newStamp, renewedStamp, setCapacity } from "./lru";
import { blockBytes, MAX_BLOCKS, Prompt, pieces, promptHash, setBlockBytes, TOKEN_BYTES } from "./prompt";

@unmanaged
class Block {
  /** 22 bits of the key's hash, then the low bits of the endpoint's number. */
  tag: u32 = 0;
  /** 0: the block is free. */
  stamp: u32 = 0;
}

const BLOCK_BYTES: u32 = offsetof<Block>();
const SET_BLOCKS: u32 = 8;
/** A cache line. */
const SET_BYTES: u32 = SET_BLOCKS * BLOCK_BYTES;
const MIN_SETS: u32 = 1024;
const MAX_SETS: u32 = 65536;
/** The cache's size where a server does not report it: 31,250 blocks of 64 bytes, the endpoint picker's default. */
const UNKNOWN_BYTES: u64 = 2000000;

/** Aligned to SET_BYTES, within the memory at `allocated`. */
let sets: usize = 0;
let allocated: usize = 0;
let setMask: u32 = 0;

/** No configuration of this VM looks at prefixes until usePrefixes(): no memory is taken. */
let used: bool = false;

/** `blockSize`: bytes (prompt.ts). */
export function usePrefixes(blockSize: u32): void {
  used = true;
  setBlockBytes(blockSize);
}

/** Takes over the sizes of the caches. Forgets everything when the table has to grow. */
export function followCaches(view: SnapshotView): void {
  if (!used) return;
  let total: u64 = 0;
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const blocks: u64 = load<u32>(view.endpoint(i), ENDPOINT_KV_BLOCKS);
    const tokens: u64 = load<u32>(view.endpoint(i), ENDPOINT_BLOCK_TOKENS);
    const bytes = blocks == 0 || tokens == 0 ? UNKNOWN_BYTES : blocks * tokens * TOKEN_BYTES;
    const capacity = <u32>min<u64>(max<u64>(bytes / blockBytes(), 1), 1 << 30);
    setCapacity(clockOf(entryOf(i).number), capacity);
    total += capacity;
  }
  followLastSent(view, total);
  let wanted = MIN_SETS;
  while (wanted < MAX_SETS && <u64>wanted * SET_BLOCKS < total * 2) wanted <<= 1;
  if (sets && wanted <= setMask + 1) return;
  if (sets) heap.free(allocated);
  allocated = heap.alloc((wanted + 1) * SET_BYTES);
  sets = (allocated + SET_BYTES - 1) & ~(<usize>SET_BYTES - 1);
  memory.fill(sets, 0, wanted * SET_BYTES);
  setMask = wanted - 1;
}

/** False: there is no table yet. */
export function hasTable(): bool {
  return sets != 0;
}

/** Asks memory for what matchPrefix() will look at first, so that it comes for all candidates at once (see touchAll). */
export function askForPrefix(prompt: Prompt, seed: u64, entry: Entry): void {
  if (!sets || prompt.count == 0) return;
  const first = load<u32>(setOf(keyOf(promptHash(prompt, 0), seed, entry)));
  const second = load<u32>(setOf(keyOf(promptHash(prompt, min<u32>(1, prompt.count - 1)), seed, entry)));
  store<u32>(UNREAD, first + second);
}

/** Blocks of the prompt, from its start, that the endpoint is likely to have cached. `seed`: of model and cache_salt. */
export function matchPrefix(prompt: Prompt, seed: u64, entry: Entry): u32 {
  if (!sets) return 0;
  // [0, low) is cached, at `high` and beyond nothing is
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

/** Stamp of the block that was used last there. */
export function lastStamp(entry: Entry): u32 {
  return clockOf(entry.number).last;
}

/** The endpoint's cache is empty: it was restarted. */
export function forgetPrefixes(entry: Entry): void {
  emptyCache(clockOf(entry.number));
}

function keyOf(hash: u64, seed: u64, entry: Entry): u64 {
  return mix(hash ^ seed ^ entry.hash);
}

/** Both sets are asked for before either is looked at. */
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

/** A bit for each u32 of a set that is `value`: the even ones are tags, the odd ones stamps. */
function equalWords(set: usize, value: u32): u32 {
  const wanted = i32x4.splat(value);
  const low = i16x8.narrow_i32x4_s(i32x4.eq(v128.load(set), wanted), i32x4.eq(v128.load(set, 16), wanted));
  const high = i16x8.narrow_i32x4_s(i32x4.eq(v128.load(set, 32), wanted), i32x4.eq(v128.load(set, 48), wanted));
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

/** Address of the key's Block; 0: the table does not have it. 22 bits of hash: one probe in some 500,000 errs. */
function find(key: u64, entry: Entry): usize {
  const set = setOf(key);
  const found = equalWords(set, tagOf(key, entry)) & 0x5555;
  return found ? set + ctz(found) * 4 : 0;
}

/** u64 key of each block that is being touched. */
const keys: usize = memory.data(MAX_BLOCKS * 8, 8);
/** What was loaded only to have it near goes here: the compiler may leave out a load whose result goes nowhere. */
const UNREAD: usize = memory.data(8, 8);

/**
 * Blocks were sent to the endpoint: `count` hashes, a u64 each. Their sets lie all over the table. A set that is asked for when
 * it is needed is waited for; sets that are asked for all at once come together.
 */
export function touchAll(hashes: usize, count: u32, seed: u64, entry: Entry): void {
  let asked: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(load<u64>(hashes + i * 8), seed, entry);
    store<u64>(keys + i * 8, key);
    asked += load<u32>(setOf(key));
  }
  store<u32>(UNREAD, asked);
  for (let i = count; i > 0; i--) touch(load<u64>(keys + (i - 1) * 8), entry, pieces(i - 1));
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

/** The block of a set that is worth least: a free one, else the one that its endpoint evicts first. */
function leastLikely(set: usize): Block {
  const empty = equalWords(set, 0) & 0xaaaa;
  if (empty) return changetype<Block>(set + (ctz(empty) - 1) * 4);
  let victim = set;
  // Ages are positive: their bits order as they do, and whole numbers are chosen between without a jump.
  let oldest: i32 = -1;
  for (let at = set; at < set + SET_BYTES; at += BLOCK_BYTES) {
    const block = changetype<Block>(at);
    const age = reinterpret<i32>(ageOf(clockOf(block.tag), block.stamp));
    victim = select(at, victim, age > oldest);
    oldest = max(oldest, age);
  }
  return changetype<Block>(victim);
}
