// What an endpoint's KV cache still holds, and how much of it is worth keeping.
//
// The server gives up the block that was used longest ago: a block is held while fewer others than the cache has room for
// were used since. So each use of a block gets a stamp, that of a long block, which counts as several, so much later; and blocks
// are counted by the epoch of their stamp. One that is used again leaves the count of its old epoch, or the cold ones would be
// taken for evicted too early where few are used all the time, and too late where all are. The oldest block is given up by moving
// the oldest epoch's start past one of its stamps, which are taken to lie evenly; what is stamped before that start is evicted.
// A block that was used again while it was held is hot: it will probably be asked for once more, so what drives it out costs a
// prefill later.
//
// An epoch ends when it counts a twelfth of the capacity; when there is no room for one more, the two neighbours that count
// least become one. Reading and counting take the same time whatever the cache holds. Only the oldest epoch's count is a guess,
// and no epoch counts more than a seventh of the capacity and one block, which may be a long one: of so many on each side of the
// one that the server evicts next it may be wrong, of no others. After the capacity was lowered that is a seventh of the former
// one, until what was used before is gone.
//
// Per endpoint 224 bytes, by the low bits of its number (more than SLOTS endpoints at a time share some): u32 last stamp, in
// steps of 2; u32 capacity; u32 blocks held; u32 of them hot; u32 epochs, then from 32 on for each epoch, the oldest first:
// u32 first stamp, and behind all of these u32 blocks, and u32 hot blocks.

export const SLOTS: u32 = 1024;
const EPOCHS: u32 = 16;
const CLOCK_BYTES: u32 = 224;
const STARTS: u32 = 32;
const COUNTS: u32 = STARTS + EPOCHS * 4;
const HOTS: u32 = COUNTS + EPOCHS * 4;
const EPOCHS_OF_CAPACITY: u32 = 12;
const clocks: usize = memory.data(229376, 16);

/** In a stamp, which is even without it. */
const HOT: u32 = 1;
/** Stamps wrap: none that is held is so much older than the last. */
const MAX_AGE: u32 = 0x7fffffff;

export function clockOf(slot: u32): usize {
  return clocks + (slot & (SLOTS - 1)) * CLOCK_BYTES;
}

/** `capacity`: blocks, 1 to 2^30. */
export function setCapacity(clock: usize, capacity: u32): void {
  store<u32>(clock, capacity, 4);
  if (load<u32>(clock, 16) == 0) emptyCache(clock);
  if (load<u32>(clock, 8) > capacity) evict(clock, load<u32>(clock, 8) - capacity);
}

/** The cache is empty again. */
export function emptyCache(clock: usize): void {
  const now = load<u32>(clock) + 2;
  const capacity = load<u32>(clock, 4);
  memory.fill(clock, 0, CLOCK_BYTES);
  store<u32>(clock, now);
  store<u32>(clock, capacity, 4);
  store<u32>(clock, 1, 16);
  store<u32>(clock + STARTS, now);
}

export function capacityOf(clock: usize): u32 {
  return load<u32>(clock, 4);
}

/** Blocks that are likely to be in the cache. */
export function heldBlocks(clock: usize): u32 {
  return load<u32>(clock, 8);
}

/** Of those, the ones that were used again. */
export function hotBlocks(clock: usize): u32 {
  return load<u32>(clock, 12);
}

export function isHeldAt(clock: usize, stamp: u32): bool {
  const oldest = load<u32>(clock, STARTS);
  return stamp - oldest <= (load<u32>(clock) | HOT) - oldest;
}

/** How near a block is to being evicted: 0 for the last one used, 1 for the next to go, 2 for one that is gone. */
export function ageOf(clock: usize, stamp: u32): f32 {
  if (!isHeldAt(clock, stamp)) return 2;
  const now = load<u32>(clock) | HOT;
  return <f32>(now - stamp) / <f32>(now - load<u32>(clock, STARTS));
}

/** Stamp of a block that was not held, and counts as `size` blocks. */
export function newStamp(clock: usize, size: u32): u32 {
  const now = tick(clock, size);
  add(clock, load<u32>(clock, 16) - 1, size, 0);
  settle(clock);
  return now;
}

/** Stamp of a block that has `stamp` and is used again. */
export function renewedStamp(clock: usize, stamp: u32, size: u32): u32 {
  if (!isHeldAt(clock, stamp)) return newStamp(clock, size);
  const now = tick(clock, size);
  const from = epochOf(clock, stamp);
  const last = load<u32>(clock, 16) - 1;
  if (from == last && stamp & HOT) return now | HOT;
  const blocks = load<u32>(clock + from * 4, COUNTS);
  // Stamps do not lie quite evenly: what is used again may have been counted as evicted, or as cold.
  if (blocks > 0) {
    const hot = load<u32>(clock + from * 4, HOTS);
    const left = blocks - min(blocks, size);
    add(clock, from, left - blocks, <i32>min(hot - min(hot, stamp & HOT ? size : 0), left) - hot);
  }
  add(clock, last, size, size);
  settle(clock);
  return now | HOT;
}

function tick(clock: usize, size: u32): u32 {
  const now = load<u32>(clock) + 2 * size;
  store<u32>(clock, now);
  for (let oldest = load<u32>(clock, STARTS); now - oldest > MAX_AGE; oldest = load<u32>(clock, STARTS)) {
    if (load<u32>(clock, 16) > 1 && load<u32>(clock, STARTS + 4) == oldest + 2) dropOldest(clock);
    else store<u32>(clock, oldest + 2, STARTS);
  }
  return now;
}

function add(clock: usize, epoch: u32, blocks: i32, hot: i32): void {
  const at = clock + epoch * 4;
  store<u32>(at, load<u32>(at, COUNTS) + blocks, COUNTS);
  store<u32>(at, load<u32>(at, HOTS) + hot, HOTS);
  store<u32>(clock, load<u32>(clock, 8) + blocks, 8);
  store<u32>(clock, load<u32>(clock, 12) + hot, 12);
}

/** After a block was added to the last epoch. */
function settle(clock: usize): void {
  const capacity = load<u32>(clock, 4);
  if (load<u32>(clock, 8) > capacity) evict(clock, load<u32>(clock, 8) - capacity);
  const last = load<u32>(clock, 16) - 1;
  if (load<u32>(clock + last * 4, COUNTS) > capacity / EPOCHS_OF_CAPACITY) beginEpoch(clock);
}

/** Epoch of the last stamp that was looked for: the blocks of a prompt were used together before. */
let guess: u32 = 0;

function epochOf(clock: usize, stamp: u32): u32 {
  const epochs = load<u32>(clock, 16);
  const oldest = load<u32>(clock, STARTS);
  const age = stamp - oldest;
  if (guess < epochs && load<u32>(clock + guess * 4, STARTS) - oldest <= age) {
    if (guess + 1 == epochs || load<u32>(clock + (guess + 1) * 4, STARTS) - oldest > age) return guess;
  }
  let epoch = epochs - 1;
  while (epoch > 0 && load<u32>(clock + epoch * 4, STARTS) - oldest > age) epoch--;
  guess = epoch;
  return epoch;
}

/** The oldest `blocks` are gone; there are as many. */
function evict(clock: usize, blocks: u32): void {
  while (load<u32>(clock, COUNTS) <= blocks && load<u32>(clock, 16) > 1) {
    blocks -= load<u32>(clock, COUNTS);
    dropOldest(clock);
  }
  if (blocks == 0) return;
  const count = load<u32>(clock, COUNTS);
  const start = load<u32>(clock, STARTS);
  const end = load<u32>(clock, 16) > 1 ? load<u32>(clock, STARTS + 4) : load<u32>(clock) + 2;
  store<u32>(clock, start + (<u32>((<u64>(end - start) * blocks) / count) & ~HOT), STARTS);
  // Which of them were hot is not known: as few as can be.
  add(clock, 0, -blocks, min<i32>(count - blocks - load<u32>(clock, HOTS), 0));
}

function dropOldest(clock: usize): void {
  add(clock, 0, -load<u32>(clock, COUNTS), -load<u32>(clock, HOTS));
  removeEpoch(clock, 0);
}

function beginEpoch(clock: usize): void {
  if (load<u32>(clock, 16) == EPOCHS) mergeLeast(clock);
  const epochs = load<u32>(clock, 16);
  const at = clock + epochs * 4;
  store<u32>(at, load<u32>(clock) + 2, STARTS);
  store<u32>(at, 0, COUNTS);
  store<u32>(at, 0, HOTS);
  store<u32>(clock, epochs + 1, 16);
}

/** Makes one of the two neighbours that count least together; not of the oldest, or its error would grow. */
function mergeLeast(clock: usize): void {
  let least: u32 = 0xffffffff;
  let first: u32 = 1;
  for (let epoch: u32 = 1; epoch + 1 < EPOCHS; epoch++) {
    const sum = load<u32>(clock + epoch * 4, COUNTS) + load<u32>(clock + epoch * 4, COUNTS + 4);
    if (sum >= least) continue;
    least = sum;
    first = epoch;
  }
  const at = clock + first * 4;
  store<u32>(at, least, COUNTS);
  store<u32>(at, load<u32>(at, HOTS) + load<u32>(at, HOTS + 4), HOTS);
  removeEpoch(clock, first + 1);
}

function removeEpoch(clock: usize, epoch: u32): void {
  const left = load<u32>(clock, 16) - 1;
  for (let part = STARTS; part < CLOCK_BYTES; part += EPOCHS * 4) {
    const at = clock + part + epoch * 4;
    memory.copy(at, at + 4, (left - epoch) * 4);
  }
  store<u32>(clock, left, 16);
}
