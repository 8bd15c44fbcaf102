// Which endpoint is likely to hold which prefix in its KV cache: one table of (prefix hash, endpoint) for all endpoints.
//
// An entry is 8 bytes, a tag and a stamp: the endpoint's own clock (lru.ts) when the block was last sent there, so a block
// is taken for evicted once as many others were used after it as the endpoint's cache holds: LRU without lists. Eight
// entries make a set, one cache line. A full set gives up the entry that its endpoint has evicted, or is the nearest to evict: the
// tag's low bits say whose it is. Giving up any entry would lose a block of each long prefix now and then, and with it what
// stands behind it.
// Blocks are touched from the last to the first, so that heads outlive tails and a binary search finds the longest match;
// a block that is missing where the next one is there was given up by its set, and counts as held.
//
// Memory: two entries for each block that the endpoints can hold together, 64 KiB to 4 MiB; set when endpoints change,
// which forgets everything.

import { ENDPOINT_BLOCK_TOKENS, ENDPOINT_KV_BLOCKS } from "../../../protocol/constants";
import { mix } from "../../base/hash";
import { SnapshotView } from "../../snapshot/view";
import { Entry, entryOf, findEntry } from "../entries";
import { followLastSent, noteSent } from "./last-sent";
import { ageOf, clockOf, emptyCache, isHeldAt, newStamp, renewedStamp, SLOTS, setCapacity } from "./lru";
import { blockBytes, MAX_BLOCKS, Prompt, pieces, promptHash, promptHashes, setBlockBytes, TOKEN_BYTES } from "./prompt";

const SET_BYTES: u32 = 64;
const MIN_SETS: u32 = 1024;
const MAX_SETS: u32 = 65536;
/** For a server that does not tell its cache's size: 31,250 blocks of 64 bytes, the endpoint picker's. */
const UNKNOWN_BYTES: u64 = 2000000;

/** Aligned to SET_BYTES, within the memory at `allocated`. */
let sets: usize = 0;
let allocated: usize = 0;
let setMask: u32 = 0;

/** No configuration of this VM looks at prefixes until usePrefixes(): no memory is taken. */
let used: bool = false;

export function usePrefixes(blockSize: u32): void {
  used = true;
  setBlockBytes(blockSize);
}

/** Takes over the sizes of the caches; forgets everything when the table has to grow. */
export function followCaches(view: SnapshotView): void {
  if (!used) return;
  let total: u64 = 0;
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const blocks: u64 = load<u32>(view.endpoint(i), ENDPOINT_KV_BLOCKS);
    const tokens: u64 = load<u32>(view.endpoint(i), ENDPOINT_BLOCK_TOKENS);
    const bytes = blocks == 0 || tokens == 0 ? UNKNOWN_BYTES : blocks * tokens * TOKEN_BYTES;
    const capacity = <u32>min<u64>(max<u64>(bytes / blockBytes(), 1), 1 << 30);
    setCapacity(clockOf(entryOf(i).slot), capacity);
    total += capacity;
  }
  followLastSent(view, total);
  let wanted = MIN_SETS;
  while (wanted < MAX_SETS && <u64>wanted * 8 < total * 2) wanted <<= 1;
  if (sets && wanted <= setMask + 1) return;
  if (sets) heap.free(allocated);
  allocated = heap.alloc((wanted + 1) * SET_BYTES);
  sets = (allocated + SET_BYTES - 1) & ~(<usize>SET_BYTES - 1);
  memory.fill(sets, 0, wanted * SET_BYTES);
  setMask = wanted - 1;
}

/** Asks memory for what matchPrefix() will look at first, so that it comes for all candidates at once (see touchAll). */
export function askForPrefix(prompt: Prompt, seed: u64, entry: Entry): void {
  if (!sets || prompt.count == 0) return;
  const first = load<u32>(setOf(keyOf(promptHash(prompt, 0), seed, entry)));
  const second = load<u32>(setOf(keyOf(promptHash(prompt, min<u32>(1, prompt.count - 1)), seed, entry)));
  store<u32>(UNREAD, first + second);
}

/** Blocks of the prompt, from its start, that the endpoint is likely to hold. `seed`: of model and cache_salt. */
export function matchPrefix(prompt: Prompt, seed: u64, entry: Entry): u32 {
  if (!sets) return 0;
  // [0, low) is held, at `high` and beyond nothing is
  let low: u32 = 0;
  let high: u32 = prompt.count;
  let step: u32 = 1;
  while (low < high) {
    const probe = min(low + step, high) - 1;
    if (isHeld(prompt, probe, seed, entry)) {
      low = probe + 1;
      step <<= 1;
    } else {
      high = probe;
      step = max<u32>((high - low) >> 1, 1);
    }
  }
  return low;
}

/** The prompt was sent to the endpoint; it is kept for the other workers to hear of. */
export function insertPrefix(prompt: Prompt, seed: u64, entry: Entry): void {
  if (!sets || prompt.count == 0) return;
  touchAll(promptHashes(prompt), prompt.count, seed, entry);
  // The others hear of the whole prompt, not of its new end only: what they have not heard of for long looks evicted to
  // them, and they would send its next request elsewhere.
  const bytes = prompt.count * 8;
  if (newsBytes + NEWS_HEADER + bytes > UPDATE_BYTES) return;
  const at = news + newsBytes;
  store<u64>(at, entry.hash);
  store<u64>(at, seed, 8);
  store<u64>(at, prompt.count, 16);
  memory.copy(at + NEWS_HEADER, promptHashes(prompt), bytes);
  newsBytes += NEWS_HEADER + bytes;
}

/** Of the block that was used last there. */
export function lastStamp(entry: Entry): u32 {
  return load<u32>(clockOf(entry.slot));
}

/** The endpoint's cache is empty: it was restarted. */
export function forgetPrefixes(entry: Entry): void {
  emptyCache(clockOf(entry.slot));
}

// ---- what workers and Envoys tell each other of prefixes: records { u64 endpoint hash, u64 seed, u64 n, n block hashes } ----
// From other Envoys n is in the low 16 bits of its word, below the record's number (protocol/README.md).

/** News of one tick; what does not fit is not told: the others find out by the pod's answer times, or not at all. */
export const UPDATE_BYTES: u32 = 32768;
const NEWS_HEADER: u32 = 24;
const news: usize = memory.data(32768, 8);
let newsBytes: u32 = 0;

export function updateWaiting(): u32 {
  return newsBytes;
}

/** Moves the news since the last call to `target`, which has room for UPDATE_BYTES; how many bytes. */
export function takeUpdate(target: usize): u32 {
  const bytes = newsBytes;
  memory.copy(target, news, bytes);
  newsBytes = 0;
  return bytes;
}

/** Another worker's news: whole records. */
export function receiveUpdate(data: usize, bytes: u32): void {
  const end = data + bytes;
  for (let at = data; at; ) at = receivePrefixes(at, end, true);
}

/** One record: where the next one begins, 0 behind the last. `fresh` false: it was heard before. */
export function receivePrefixes(record: usize, end: usize, fresh: bool): usize {
  if (record + NEWS_HEADER > end) return 0;
  const count: u32 = load<u16>(record, 16);
  const hashes = record + NEWS_HEADER;
  if (count == 0 || count > MAX_BLOCKS || hashes + <usize>count * 8 > end) return 0;
  const entry = sets && fresh ? findEntry(load<u64>(record)) : null;
  if (entry !== null) touchAll(hashes, count, load<u64>(record, 8), entry);
  return hashes + <usize>count * 8;
}

function keyOf(hash: u64, seed: u64, entry: Entry): u64 {
  return mix(hash ^ seed ^ entry.hash);
}

/** Both sets are asked for before either is looked at. */
function isHeld(prompt: Prompt, index: u32, seed: u64, entry: Entry): bool {
  const at = find(keyOf(promptHash(prompt, index), seed, entry), entry);
  const next = index + 1 < prompt.count ? find(keyOf(promptHash(prompt, index + 1), seed, entry), entry) : 0;
  return holds(at, entry) || holds(next, entry);
}

function holds(at: usize, entry: Entry): bool {
  return at != 0 && isHeldAt(clockOf(entry.slot), load<u32>(at, 4));
}

function tagOf(key: u64, entry: Entry): u32 {
  return (<u32>(key >> 32) & ~(SLOTS - 1)) | (entry.slot & (SLOTS - 1));
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

/** Address of the key's entry; 0 when it is not there. 22 bits of hash: one probe in some 500,000 errs. */
function find(key: u64, entry: Entry): usize {
  const set = setOf(key);
  const found = equalWords(set, tagOf(key, entry)) & 0x5555;
  return found ? set + ctz(found) * 4 : 0;
}

/** u64 key of each block that is being touched. */
const keys: usize = memory.data(2048, 8);
/** What was loaded only to have it near goes here: a load whose result goes nowhere may be left out. */
const UNREAD: usize = memory.data(8, 8);

/**
 * Blocks were sent to the endpoint. Their sets lie all over the table: asked for when each is needed, they would be waited
 * for one by one; asked for all at once, they come together.
 */
function touchAll(hashes: usize, count: u32, seed: u64, entry: Entry): void {
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
  const clock = clockOf(entry.slot);
  const known = find(key, entry);
  if (known) {
    store<u32>(known, renewedStamp(clock, load<u32>(known, 4), size), 4);
    return;
  }
  const at = leastLikely(setOf(key));
  store<u32>(at, tagOf(key, entry));
  store<u32>(at, newStamp(clock, size), 4);
}

/** The entry of a set that is worth least: an empty one (stamp 0), else the one that its endpoint evicts first. */
function leastLikely(set: usize): usize {
  const empty = equalWords(set, 0) & 0xaaaa;
  if (empty) return set + (ctz(empty) - 1) * 4;
  let victim = set;
  // Ages are positive: their bits order as they do, and whole numbers are chosen between without a jump.
  let oldest: i32 = -1;
  for (let at = set; at < set + SET_BYTES; at += 8) {
    const clock = clockOf(load<u32>(at));
    const age = reinterpret<i32>(ageOf(clock, load<u32>(at, 4)));
    victim = select(at, victim, age > oldest);
    oldest = max(oldest, age);
  }
  return victim;
}
