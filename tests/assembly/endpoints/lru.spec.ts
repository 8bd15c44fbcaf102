import { newRandom } from "../../../assembly/base/random";
import {
  ageOf,
  Clock,
  clockOf,
  emptyCache,
  isCachedAt,
  newStamp,
  renewedStamp,
  setCapacity,
} from "../../../assembly/endpoints/cache/lru";

const random = newRandom(3);
const BLOCKS = 1500;
/** The stamp of each block, as in the prefix index; 0: the block was never used. */
const stamps = new StaticArray<u32>(BLOCKS);
let clock: Clock = clockOf(0);
/** An exact LRU cache. The block that was used longest ago comes first. */
let cached: i32[] = [];
let capacity: i32 = 0;
/** The largest capacity since the oldest cached block was used. */
let largest: i32 = 0;

/** Number of blocks at the eviction point for which the clock may be wrong (lru.ts). */
function slack(): i32 {
  return largest / 7 + 1;
}

function begin(slot: u32, blocks: u32, word: u32): void {
  clock = clockOf(slot);
  clock.last = word;
  resize(blocks);
  empty();
  stamps.fill(0);
}

function empty(): void {
  emptyCache(clock);
  cached = [];
  largest = capacity;
}

function resize(blocks: u32): void {
  setCapacity(clock, blocks);
  capacity = blocks;
  largest = max(largest, capacity);
  while (cached.length > capacity) cached.shift();
}

/** Uses a block, as prefix-index.ts does. */
function use(block: i32): void {
  stamps[block] = stamps[block] == 0 ? newStamp(clock, 1) : renewedStamp(clock, stamps[block], 1);
  const at = cached.indexOf(block);
  if (at >= 0) cached.splice(at, 1);
  else if (cached.length == capacity) cached.shift();
  cached.push(block);
}

/** Says which promise of lru.ts is broken; empty: none. */
function problem(): string {
  let held: i32 = 0;
  let hot: i32 = 0;
  let beyond: i32 = 0;
  for (let i = 0; i < BLOCKS; i++) {
    if (stamps[i] == 0 || !isCachedAt(clock, stamps[i])) continue;
    held++;
    hot += stamps[i] & 1;
    if (cached.indexOf(i) < 0) beyond++;
  }
  if (beyond > slack()) return `${beyond} evicted ones count as held of ${capacity}`;
  for (let i = slack(); i < cached.length; i++) {
    if (!isCachedAt(clock, stamps[cached[i]])) return `the block at ${i} of ${cached.length} counts as evicted`;
  }
  const countedHeld = <i32>clock.blocks;
  const countedHot = <i32>clock.hot;
  if (countedHeld > capacity) return `${countedHeld} held of ${capacity}`;
  if (countedHot > countedHeld) return `${countedHot} hot of ${countedHeld}`;
  if (abs(countedHeld - held) > slack()) return `${countedHeld} counted, ${held} held`;
  if (abs(countedHot - hot) > slack()) return `${countedHot} counted, ${hot} hot`;
  return "";
}

/** Makes random traffic: hot blocks, new blocks, blocks that are used again after a long time, and bursts of one block. */
function traffic(uses: i32): void {
  const shares = [0, 10, 50, 90, 99];
  let hotShare: i32 = 0;
  let hotBlocks: i32 = 1;
  let next: i32 = BLOCKS / 2;
  for (let i = 0; i < uses; i++) {
    if (i % 300 == 0) {
      hotShare = shares[random.next() % 5];
      hotBlocks = 1 + (random.next() % min(capacity * 2, BLOCKS / 2));
    }
    const kind = <i32>(random.next() % 100);
    if (kind < hotShare) use(random.next() % hotBlocks);
    else if (kind == 99) {
      const block = random.next() % BLOCKS;
      for (let k = random.next() % capacity; k > 0; k--) use(block);
    } else if (kind % 5 == 0) use(random.next() % BLOCKS);
    else {
      next = next + 1 == BLOCKS ? BLOCKS / 2 : next + 1;
      stamps[next] = isCachedAt(clock, stamps[next]) ? stamps[next] : 0;
      use(next);
    }
    if (random.next() % 40 == 0 && problem() != "") return;
  }
}

describe("the blocks in a cache", () => {
  test("are those of an exact LRU cache, but for a seventh of its capacity and one block", () => {
    const capacities: i32[] = [1, 2, 3, 5, 11, 12, 13, 23, 24, 25, 48, 100, 255, 256, 600];
    for (let i = 0; i < capacities.length; i++) {
      begin(i, capacities[i], 0);
      for (let block = 0; block < capacities[i]; block++) use(block);
      expect(clock.blocks).toBe(capacities[i], "all of it is in use");
      traffic(6000);
      expect(problem()).toBe("");
      const half: u32 = capacities[i] / 2;
      for (let k: u32 = 0; k < 2 * half; k++) use(k % half);
      expect(clock.hot >= half).toBe(true, "what was used twice is hot");
    }
  });

  test("count by their size: a long block counts as several", () => {
    const sizes: i32[] = [1, 4, 16];
    const room: i32 = 2000;
    begin(21, room, 0);
    let inUse: i32 = 0;
    for (let i = 0; i < 20000; i++) {
      const block: i32 = random.next() % 3 == 0 ? random.next() % 40 : random.next() % BLOCKS;
      const size = sizes[block % 3];
      stamps[block] = stamps[block] == 0 ? newStamp(clock, size) : renewedStamp(clock, stamps[block], size);
      const at = cached.indexOf(block);
      if (at >= 0) cached.splice(at, 1);
      else inUse += size;
      cached.push(block);
      while (inUse > room) inUse -= sizes[cached.shift() % 3];
      if (i % 100 > 0) continue;
      let younger = inUse;
      for (let k = 0; k < cached.length; k++) {
        younger -= sizes[cached[k] % 3];
        if (younger < room - room / 7 - 16) expect(isCachedAt(clock, stamps[cached[k]])).toBe(true, "held");
      }
      let beyond: i32 = 0;
      for (let k = 0; k < BLOCKS; k++) {
        if (stamps[k] != 0 && isCachedAt(clock, stamps[k]) && cached.indexOf(k) < 0) beyond += sizes[k % 3];
      }
      expect(beyond).toBeLessThan(room / 7 + 17, "evicted, but held");
      expect(<i32>clock.blocks).toBeLessThan(room + 1);
      expect(clock.hot <= clock.blocks).toBe(true, "hot");
    }
  });

  test("are all gone once the cache is emptied", () => {
    begin(20, 100, 0);
    for (let i = 0; i < 80; i++) use(i);
    expect([clock.blocks, clock.hot]).toStrictEqual([80, 0]);
    for (let i = 0; i < 80; i++) use(i);
    expect([clock.blocks, clock.hot]).toStrictEqual([80, 80]);
    empty();
    expect([clock.blocks, clock.hot]).toStrictEqual([0, 0]);
    for (let i = 0; i < 80; i++) expect(isCachedAt(clock, stamps[i])).toBe(false);
    for (let i = 0; i < 80; i++) use(i);
    expect([clock.blocks, clock.hot]).toStrictEqual([80, 0]);
    for (let round = 0; round < 20; round++) {
      traffic(500);
      empty();
      expect(problem()).toBe("");
    }
  });

  test("follow a capacity that shrinks and grows", () => {
    begin(21, 300, 0);
    for (let round = 0; round < 200; round++) {
      traffic(100);
      expect(problem()).toBe("", `round ${round}`);
      resize(1 + (random.next() % (round % 2 ? 600 : 20)));
      expect(problem()).toBe("", `round ${round}, after another capacity`);
    }
    // The error of the larger capacity ends when the blocks that were used with that capacity are evicted.
    resize(100);
    for (let i = 0; i < 300; i++) use(i);
    largest = 100;
    traffic(2000);
    expect(problem()).toBe("");
  });

  test("all stay when the capacity grows", () => {
    begin(22, 50, 0);
    for (let i = 0; i < 50; i++) use(i);
    for (let i = 0; i < 50; i++) use(i);
    resize(400);
    for (let i = 50; i < 400; i++) use(i);
    for (let i = 0; i < 400; i++) if (!isCachedAt(clock, stamps[i])) expect(i).toBe(-1, "held");
    expect([clock.blocks, clock.hot]).toStrictEqual([400, 50]);
  });

  test("are the same when stamps wrap", () => {
    const capacities: i32[] = [7, 64, 600];
    for (let i = 0; i < capacities.length; i++) {
      begin(23, capacities[i], 0xfffffffe - 8 * capacities[i]);
      traffic(6000);
      expect(problem()).toBe("");
      expect(clock.last < 0x100000).toBe(true, "they have wrapped");
    }
  });

  test("stay while they are used, however long no block has to be evicted", () => {
    const hot: i32[] = [5, 30];
    for (let k = 0; k < hot.length; k++) {
      begin(24, 100, 0x12345678);
      for (let i = 100; i < 160; i++) use(i);
      for (let i = 0; i < 2 * hot[k]; i++) use(i % hot[k]);
      // The hot blocks were used for an hour: stamps may be 2^31 apart.
      clock.last = 0x12345678 + 0x7fffff00;
      for (let i = 0; i < 3000; i++) {
        use(i % hot[k]);
        if (i >= hot[k]) {
          for (let block = 0; block < hot[k]; block++) {
            if (!isCachedAt(clock, stamps[block])) expect(i).toBe(-1, "held");
          }
        }
        expect(clock.hot <= clock.blocks).toBe(true);
      }
      for (let i = 100; i < 160; i++) if (isCachedAt(clock, stamps[i])) expect(i).toBe(-1, "too old for a stamp");
      expect([clock.blocks, clock.hot]).toStrictEqual([hot[k], hot[k]]);
      // The clock has evicted the other blocks, so their room is free.
      cached = [];
      for (let i = 0; i < hot[k]; i++) use(i);
      traffic(3000);
      expect(problem()).toBe("");
    }
  });

  test("are nearer to eviction the longer ago they were used", () => {
    begin(25, 100, 0);
    for (let i = 0; i < 250; i++) use(i);
    expect(ageOf(clock, stamps[249])).toBeLessThan(0.02);
    for (let i = 151; i < 250; i++) {
      if (isCachedAt(clock, stamps[i - 1])) {
        expect(ageOf(clock, stamps[i])).toBeLessThan(ageOf(clock, stamps[i - 1]));
        expect(ageOf(clock, stamps[i - 1])).toBeLessThanOrEqual(1);
      }
    }
    expect(ageOf(clock, stamps[100])).toBe(2, "gone");
  });
});
