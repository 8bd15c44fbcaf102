// Which blocks an endpoint's KV cache still has, and how many of them are worth keeping. This is an estimate: the server reports
// only how many blocks it has room for.
//
// The server evicts the block that was used longest ago. So a block stays cached until the server has used as many other
// blocks since as the cache has room for. Each use of a block gives the block a new stamp. A long block counts as several
// blocks, so its stamp is that much later. Stamps are grouped into epochs, and each epoch counts its blocks. A block that is
// used again leaves the count of its old epoch. Otherwise cold blocks would seem evicted too early if few blocks are used all
// the time, and too late if all blocks are. The clock evicts blocks by moving the start of the oldest epoch forward, and
// assumes that the epoch's stamps lie evenly. Every stamp before that start is evicted. A block that was used again while it
// was cached is hot: a request will probably need it once more, so evicting it costs a prefill later.
//
// An epoch ends when it counts a twelfth of the capacity. When all EPOCHS are used, the two neighbours with the lowest counts
// become one epoch. Reading and counting take constant time. Only the oldest epoch's count is a guess, and no epoch counts
// more than a seventh of the capacity and one block, which may be a long block. So the estimate can be wrong only for blocks
// that close to the eviction point. After the capacity was lowered, a seventh of the former capacity is the bound, until every
// block that was used before is evicted.
//
// Memory: 224 bytes for each of CLOCKS clocks. The low bits of an endpoint's number (entry.ts) choose its clock. With more than
// CLOCKS endpoints some share a clock.

/** Number of clocks; a power of two. */
export const CLOCKS: u32 = 1024;
const EPOCHS: u32 = 16;
const EPOCHS_OF_CAPACITY: u32 = 12;

/** Bit of a stamp: the block is hot. All other stamps are even. */
const HOT: u32 = 1;
/** Limit of the difference between the last stamp and a cached block's stamp. Stamps wrap, so they compare only within it. */
const MAX_AGE: u32 = 0x7fffffff;

/** The state of one endpoint's cache. Epochs have indexes; the oldest epoch has 0. */
@unmanaged
export class Clock {
  /** The last stamp; stamps ascend in steps of 2. */
  last: u32 = 0;
  /** Blocks that the cache has room for. */
  capacity: u32 = 0;
  /** Blocks that are cached, and how many of them are hot. */
  blocks: u32 = 0;
  hot: u32 = 0;
  epochs: u32 = 0;
}

// Three arrays follow the record. Each has one u32 per epoch: the epoch's first stamp, its blocks, and its hot blocks.
const STARTS: u32 = (<u32>offsetof<Clock>() + 15) & ~15;
const COUNTS: u32 = STARTS + EPOCHS * 4;
const HOTS: u32 = COUNTS + EPOCHS * 4;
const CLOCK_BYTES: u32 = HOTS + EPOCHS * 4;
const clocks: usize = memory.data(CLOCKS * CLOCK_BYTES, 16);

function startOf(clock: Clock, epoch: u32): u32 {
  return load<u32>(changetype<usize>(clock) + epoch * 4, STARTS);
}
function setStart(clock: Clock, epoch: u32, stamp: u32): void {
  store<u32>(changetype<usize>(clock) + epoch * 4, stamp, STARTS);
}
function blocksOf(clock: Clock, epoch: u32): u32 {
  return load<u32>(changetype<usize>(clock) + epoch * 4, COUNTS);
}
function setBlocks(clock: Clock, epoch: u32, blocks: u32): void {
  store<u32>(changetype<usize>(clock) + epoch * 4, blocks, COUNTS);
}
function hotOf(clock: Clock, epoch: u32): u32 {
  return load<u32>(changetype<usize>(clock) + epoch * 4, HOTS);
}
function setHot(clock: Clock, epoch: u32, hot: u32): void {
  store<u32>(changetype<usize>(clock) + epoch * 4, hot, HOTS);
}

/** The clock of the endpoint with this number. */
export function clockOf(number: u32): Clock {
  return changetype<Clock>(clocks + (number & (CLOCKS - 1)) * CLOCK_BYTES);
}

/** Sets how many blocks the cache has room for, 1 to 2^30, and evicts blocks above that. */
export function setCapacity(clock: Clock, capacity: u32): void {
  clock.capacity = capacity;
  if (clock.epochs == 0) emptyCache(clock);
  if (clock.blocks > capacity) evict(clock, clock.blocks - capacity);
}

/** Makes the cache empty. */
export function emptyCache(clock: Clock): void {
  const now = clock.last + 2;
  const capacity = clock.capacity;
  memory.fill(changetype<usize>(clock), 0, CLOCK_BYTES);
  clock.last = now;
  clock.capacity = capacity;
  clock.epochs = 1;
  setStart(clock, 0, now);
}

/** Whether a block with this stamp is likely to be cached. */
export function isCachedAt(clock: Clock, stamp: u32): bool {
  const oldest = startOf(clock, 0);
  return stamp - oldest <= (clock.last | HOT) - oldest;
}

/** Age of a block: 0 for the block that was used last, 1 for the block that is evicted next, 2 for an evicted block. */
export function ageOf(clock: Clock, stamp: u32): f32 {
  if (!isCachedAt(clock, stamp)) return 2;
  const now = clock.last | HOT;
  return <f32>(now - stamp) / <f32>(now - startOf(clock, 0));
}

/** Adds a block that was not cached and counts as `size` blocks. Returns its stamp. */
export function newStamp(clock: Clock, size: u32): u32 {
  return addedStamp(clock, size, false);
}

/** Adds a block that was not cached. `hot`: the block was used again while it was cached. Returns its stamp. */
export function addedStamp(clock: Clock, size: u32, hot: bool): u32 {
  const now = advance(clock, size);
  add(clock, clock.epochs - 1, size, hot ? size : 0);
  settle(clock);
  return hot ? now | HOT : now;
}

/** Forgets a cached block that has `stamp` and counts as `size` blocks. */
export function removeStamp(clock: Clock, stamp: u32, size: u32): void {
  const from = epochOf(clock, stamp);
  const blocks = blocksOf(clock, from);
  const hot = hotOf(clock, from);
  const left = blocks - min(blocks, size);
  add(clock, from, left - blocks, <i32>min(hot - min(hot, stamp & HOT ? size : 0), left) - hot);
}

/** Uses a block that has `stamp` again, and returns its new stamp. The block counts as `size` blocks. */
export function renewedStamp(clock: Clock, stamp: u32, size: u32): u32 {
  if (!isCachedAt(clock, stamp)) return newStamp(clock, size);
  const now = advance(clock, size);
  const from = epochOf(clock, stamp);
  const last = clock.epochs - 1;
  if (from == last && stamp & HOT) return now | HOT;
  // Stamps do not lie quite evenly. So the old epoch may have counted this block as evicted, or as cold.
  if (blocksOf(clock, from) > 0) removeStamp(clock, stamp, size);
  add(clock, last, size, size);
  settle(clock);
  return now | HOT;
}

/** Moves the clock on by `size` blocks and returns the next stamp. */
function advance(clock: Clock, size: u32): u32 {
  const now = clock.last + 2 * size;
  clock.last = now;
  for (let oldest = startOf(clock, 0); now - oldest > MAX_AGE; oldest = startOf(clock, 0)) {
    if (clock.epochs > 1 && startOf(clock, 1) == oldest + 2) dropOldest(clock);
    else setStart(clock, 0, oldest + 2);
  }
  return now;
}

function add(clock: Clock, epoch: u32, blocks: i32, hot: i32): void {
  setBlocks(clock, epoch, blocksOf(clock, epoch) + blocks);
  setHot(clock, epoch, hotOf(clock, epoch) + hot);
  clock.blocks += blocks;
  clock.hot += hot;
}

/** Evicts blocks above the capacity, and ends the last epoch if it is full. Called after a block was added to that epoch. */
function settle(clock: Clock): void {
  const capacity = clock.capacity;
  if (clock.blocks > capacity) evict(clock, clock.blocks - capacity);
  if (blocksOf(clock, clock.epochs - 1) > capacity / EPOCHS_OF_CAPACITY) beginEpoch(clock);
}

/** The epoch that was found last. The next search begins there, because the blocks of a prompt were used together before. */
let guess: u32 = 0;

function epochOf(clock: Clock, stamp: u32): u32 {
  const epochs = clock.epochs;
  const oldest = startOf(clock, 0);
  const age = stamp - oldest;
  if (guess < epochs && startOf(clock, guess) - oldest <= age) {
    if (guess + 1 == epochs || startOf(clock, guess + 1) - oldest > age) return guess;
  }
  let epoch = epochs - 1;
  while (epoch > 0 && startOf(clock, epoch) - oldest > age) epoch--;
  guess = epoch;
  return epoch;
}

/** Evicts the `blocks` oldest blocks. The cache has at least this many. */
function evict(clock: Clock, blocks: u32): void {
  while (blocksOf(clock, 0) <= blocks && clock.epochs > 1) {
    blocks -= blocksOf(clock, 0);
    dropOldest(clock);
  }
  if (blocks == 0) return;
  const count = blocksOf(clock, 0);
  const start = startOf(clock, 0);
  const end = clock.epochs > 1 ? startOf(clock, 1) : clock.last + 2;
  setStart(clock, 0, start + (<u32>((<u64>(end - start) * blocks) / count) & ~HOT));
  // How many of the evicted blocks were hot is not known. The clock assumes as few as possible.
  add(clock, 0, -blocks, min<i32>(count - blocks - hotOf(clock, 0), 0));
}

function dropOldest(clock: Clock): void {
  add(clock, 0, -blocksOf(clock, 0), -hotOf(clock, 0));
  removeEpoch(clock, 0);
}

function beginEpoch(clock: Clock): void {
  if (clock.epochs == EPOCHS) mergeLeast(clock);
  const epoch = clock.epochs++;
  setStart(clock, epoch, clock.last + 2);
  setBlocks(clock, epoch, 0);
  setHot(clock, epoch, 0);
}

/** Joins the two neighbours with the lowest counts. The oldest epoch is left out, because its error would grow. */
function mergeLeast(clock: Clock): void {
  let least: u32 = 0xffffffff;
  let first: u32 = 1;
  for (let epoch: u32 = 1; epoch + 1 < EPOCHS; epoch++) {
    const sum = blocksOf(clock, epoch) + blocksOf(clock, epoch + 1);
    if (sum >= least) continue;
    least = sum;
    first = epoch;
  }
  setBlocks(clock, first, least);
  setHot(clock, first, hotOf(clock, first) + hotOf(clock, first + 1));
  removeEpoch(clock, first + 1);
}

function removeEpoch(clock: Clock, epoch: u32): void {
  const left = clock.epochs - 1;
  for (let list = STARTS; list < CLOCK_BYTES; list += EPOCHS * 4) {
    const at = changetype<usize>(clock) + list + epoch * 4;
    memory.copy(at, at + 4, (left - epoch) * 4);
  }
  clock.epochs = left;
}
