import {
  ageOf,
  clockOf,
  dropStamp,
  emptyCache,
  hotBlocks,
  isHeldAt,
  newStamp,
  renewedStamp,
  setCapacity,
} from "../../../assembly/pick/clock";
import { newRandom } from "../../../assembly/pick/random";

const random = newRandom(3);
const BLOCKS = 600;
/** 0: not known. */
const stamps = new StaticArray<u32>(BLOCKS);
/** Whether the block was sent again since it was new. */
const again = new StaticArray<bool>(BLOCKS);

/** Sends a block, as prefix.ts does. */
function send(clock: usize, i: i32): void {
  again[i] = stamps[i] != 0 && isHeldAt(clock, stamps[i]);
  stamps[i] = stamps[i] == 0 ? newStamp(clock) : renewedStamp(clock, stamps[i]);
}

/** Blocks that were sent again, by age up to `age`. */
function hotUpTo(clock: usize, age: i32): u32 {
  let count: u32 = 0;
  for (let i = 0; i < BLOCKS; i++) {
    if (stamps[i] != 0 && again[i] && <i32>ageOf(clock, stamps[i]) <= age) count++;
  }
  return count;
}

function forget(): void {
  for (let i = 0; i < BLOCKS; i++) {
    stamps[i] = 0;
    again[i] = false;
  }
}

describe("hot blocks", () => {
  test("are those that were sent again and are still held, to a quarter of the capacity", () => {
    const sizes: i32[] = [1, 7, 8, 15, 16, 31, 100, 255, 256];
    for (let s = 0; s < sizes.length; s++) {
      const capacity = sizes[s];
      const clock = clockOf(s);
      setCapacity(clock, capacity);
      forget();
      for (let step = 0; step < 6000; step++) {
        // A few that come all the time, and many that come now and then.
        const i = random.next() % 3 == 0 ? random.next() % (capacity / 3 + 1) : random.next() % BLOCKS;
        if (random.next() % 50 == 0) {
          dropStamp(clock, stamps[i]);
          stamps[i] = 0;
        } else send(clock, i);
        const hot = hotBlocks(clock);
        expect(hot <= hotUpTo(clock, capacity + capacity / 4)).toBe(true, "more than there are");
        expect(hot >= hotUpTo(clock, capacity - capacity / 4)).toBe(true, "less than the younger ones");
      }
      expect(capacity < 8 || hotBlocks(clock) > 0).toBe(true, "none at all");
    }
  });

  test("are none after the cache was emptied, and counted anew when another size is told", () => {
    const clock = clockOf(20);
    setCapacity(clock, 100);
    forget();
    for (let i = 0; i < 80; i++) send(clock, i);
    expect(hotBlocks(clock)).toBe(0, "what was sent once");
    for (let i = 0; i < 80; i++) send(clock, i);
    expect(hotBlocks(clock)).toBe(80);
    emptyCache(clock);
    expect(hotBlocks(clock)).toBe(0);
    for (let i = 0; i < 80; i++) expect(isHeldAt(clock, stamps[i])).toBe(false);
    for (let i = 0; i < 80; i++) send(clock, i);
    for (let i = 0; i < 80; i++) send(clock, i);
    expect(hotBlocks(clock)).toBe(80);
    setCapacity(clock, 300);
    expect(hotBlocks(clock)).toBe(0);
    for (let i = 100; i < 170; i++) send(clock, i);
    for (let i = 0; i < 80; i++) send(clock, i);
    expect(hotBlocks(clock)).toBe(80);
  });

  test("are the same when the clock wraps", () => {
    const clock = clockOf(21);
    setCapacity(clock, 64);
    forget();
    store<u32>(clock, 0xffffff00);
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 40; i++) send(clock, i);
      for (let i = 100; i < 110; i++) {
        dropStamp(clock, stamps[i]);
        stamps[i] = 0;
        send(clock, i);
      }
      if (round > 0) expect(hotBlocks(clock)).toBe(40);
    }
    expect(load<u32>(clock) < 0x1000).toBe(true, "it has wrapped");
  });
});
