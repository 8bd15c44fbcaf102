// How time passes in an endpoint's KV cache, and how much of the cache is worth keeping.
//
// The clock counts the new blocks that were sent there; a block that was last sent longer ago than the cache's capacity is
// taken for evicted (prefix.ts keeps a stamp for each). A block that was sent again while it was held is hot: it will
// probably be asked for once more, so what drives it out costs a prefill later. Hot blocks are counted by the epoch of
// their stamp, an eighth to a quarter of the capacity; an epoch that is a capacity ago is forgotten as a whole.
//
// Per endpoint 48 bytes, by the low bits of its number (more than SLOTS endpoints at a time share some): u32 clock in steps
// of 2; u32 capacity; u32 logarithm of an epoch's length; u32 hot blocks; u32 hot blocks of each epoch.

export const SLOTS: u32 = 1024;
const EPOCHS: u32 = 8;
const CLOCK_BYTES: u32 = 48;
const clocks: usize = memory.data(49152, 8);

/** In a stamp, whose clock is even. */
const HOT: u32 = 1;

export function clockOf(slot: u32): usize {
  return clocks + (slot & (SLOTS - 1)) * CLOCK_BYTES;
}

/** `capacity`: blocks, 1 to 2^30. Hot blocks are counted anew: all of them are again when an epoch has passed. */
export function setCapacity(clock: usize, capacity: u32): void {
  if (load<u32>(clock, 4) == capacity) return;
  store<u32>(clock, capacity, 4);
  // So that a capacity is 4 to 7 whole epochs, and the one that begins finds its place empty.
  store<u32>(clock, max<i32>(29 - <i32>clz(capacity), 0), 8);
  forgetHot(clock);
}

/** The cache is empty again. */
export function emptyCache(clock: usize): void {
  store<u32>(clock, load<u32>(clock) + 2 * (load<u32>(clock, 4) + 1));
  forgetHot(clock);
}

export function capacityOf(clock: usize): u32 {
  return load<u32>(clock, 4);
}

function forgetHot(clock: usize): void {
  memory.fill(clock + 12, 0, 4 + EPOCHS * 4);
}

/** Blocks that are likely to be in the cache and were sent there again. */
export function hotBlocks(clock: usize): u32 {
  return load<u32>(clock, 12);
}

/** New blocks that came after the stamp. */
export function ageOf(clock: usize, stamp: u32): u32 {
  return (load<u32>(clock) - (stamp & ~HOT)) >> 1;
}

export function isHeldAt(clock: usize, stamp: u32): bool {
  return ageOf(clock, stamp) <= load<u32>(clock, 4);
}

/** Stamp of a new block. */
export function newStamp(clock: usize): u32 {
  const now = load<u32>(clock) + 2;
  store<u32>(clock, now);
  const length = load<u32>(clock, 8);
  if (((now >> 1) & ((1 << length) - 1)) == 0) {
    const gone = epochOf(clock, now) - (load<u32>(clock, 4) >> length) - 1;
    addHot(clock, gone, -load<u32>(hotOf(clock, gone)));
  }
  return now;
}

/** Stamp of a block that has `stamp` and is sent again. */
export function renewedStamp(clock: usize, stamp: u32): u32 {
  if (!isHeldAt(clock, stamp)) {
    dropStamp(clock, stamp);
    return newStamp(clock);
  }
  const now = load<u32>(clock) | HOT;
  const epoch = epochOf(clock, now);
  if (stamp & HOT && epochOf(clock, stamp) == epoch) return now;
  dropStamp(clock, stamp);
  addHot(clock, epoch, 1);
  return now;
}

/** The block that has `stamp` is not known any more. */
export function dropStamp(clock: usize, stamp: u32): void {
  if (!(stamp & HOT)) return;
  const length = load<u32>(clock, 8);
  const epoch = epochOf(clock, stamp);
  // The clock wraps at 2^32, so epochs do at 2^(31 - length).
  const ago = (epochOf(clock, load<u32>(clock)) - epoch) & (0x7fffffff >> length);
  // Where the cache was emptied or another size was told meanwhile, the block was forgotten with its epoch.
  if (ago <= load<u32>(clock, 4) >> length && load<u32>(hotOf(clock, epoch)) > 0) addHot(clock, epoch, -1);
}

function epochOf(clock: usize, stamp: u32): u32 {
  return (stamp >> 1) >> load<u32>(clock, 8);
}

function hotOf(clock: usize, epoch: u32): usize {
  return clock + 16 + (epoch & (EPOCHS - 1)) * 4;
}

function addHot(clock: usize, epoch: u32, count: i32): void {
  const at = hotOf(clock, epoch);
  store<u32>(at, load<u32>(at) + count);
  store<u32>(clock, load<u32>(clock, 12) + count, 12);
}
