import { textHash } from "../../../assembly/base/hash";
import { newRandom } from "../../../assembly/base/random";
import { clockOf } from "../../../assembly/endpoints/cache/lru";
import { followCaches, forgetPrefixes, matchPrefix, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import {
  copyUpdate,
  dropUpdate,
  insertPrefix,
  receivePrefixes,
  receiveUpdate,
  UPDATE_BYTES,
  updateWaiting,
} from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  closePrompt,
  feedPrompt,
  MAX_BLOCKS,
  openPrompt,
  Prompt,
  piecesOf,
  promptHash,
} from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import { PREFIX_COUNT, PREFIX_COUNT_MASK, PREFIX_SEED, PREFIX_UNITS_SHIFT } from "../../../protocol/constants";
import { pool } from "../support/caches";
import { takeUpdate } from "../support/updates";

usePrefixes(BLOCK_BYTES);
/** Units (protocol/constants.ts) of a block: 128 tokens. */
const UNITS: u32 = BLOCK_BYTES / 16;
const random = newRandom(7);
const text: usize = memory.data(262144, 8);
const update: usize = memory.data(UPDATE_BYTES, 8);

/** A prompt of `blocks` blocks. The blocks before `fork` depend on `start`; the blocks from `fork` on depend on `other`. */
function prompt(blocks: u32, start: u32, fork: u32, other: u32): Prompt {
  const result = openPrompt()!;
  for (let i: u32 = 0; i < blocks * BLOCK_BYTES; i += 4) {
    store<u32>(text + i, (i / BLOCK_BYTES < fork ? start : other) * 0x9e3779b1 + i);
  }
  feedPrompt(result, text, blocks * BLOCK_BYTES);
  return result;
}

describe("hashes of a prompt", () => {
  test("are the same however the body is cut into windows", () => {
    const whole = prompt(100, 1, 100, 1);
    const cut = openPrompt()!;
    let at: u32 = 0;
    while (at < 100 * BLOCK_BYTES) {
      const take = min<u32>(1 + (random.next() % 900), 100 * BLOCK_BYTES - at);
      feedPrompt(cut, text + at, take);
      at += take;
    }
    expect(cut.count).toBe(73);
    for (let i: u32 = 0; i < 73; i++) expect(promptHash(cut, i)).toBe(promptHash(whole, i));
    closePrompt(whole);
    closePrompt(cut);
  });

  test("differ from the first different block on", () => {
    const a = prompt(6, 1, 6, 1);
    const hashes = new StaticArray<u64>(6);
    for (let i: u32 = 0; i < 6; i++) hashes[i] = promptHash(a, i);
    const b = prompt(6, 1, 3, 2);
    for (let i: u32 = 0; i < 6; i++) expect(promptHash(b, i) == hashes[i]).toBe(i < 3);
    closePrompt(a);
    closePrompt(b);
  });

  test("a single bit anywhere in a block changes its hash", () => {
    const a = prompt(1, 1, 1, 1);
    const plain = promptHash(a, 0);
    closePrompt(a);
    for (let bit: u32 = 0; bit < BLOCK_BYTES * 8; bit++) {
      const at = text + (bit >> 3);
      store<u8>(at, load<u8>(at) ^ ((<u8>1) << (<u8>(bit & 7))));
      const b = openPrompt()!;
      feedPrompt(b, text, BLOCK_BYTES);
      if (promptHash(b, 0) == plain) expect(bit).toBe(0xffffffff, "a bit that does not matter");
      closePrompt(b);
      store<u8>(at, load<u8>(at) ^ ((<u8>1) << (<u8>(bit & 7))));
    }
  });

  test("parts of a block that change places change its hash", () => {
    const spare: usize = heap.alloc(BLOCK_BYTES);
    const a = prompt(1, 1, 1, 1);
    const plain = promptHash(a, 0);
    closePrompt(a);
    for (let size: u32 = 4; size <= 256; size *= 2) {
      for (let i: u32 = 0; i < BLOCK_BYTES; i += size) {
        for (let j = i + size; j < BLOCK_BYTES; j += size) {
          memory.copy(spare, text, BLOCK_BYTES);
          memory.copy(spare + i, text + j, size);
          memory.copy(spare + j, text + i, size);
          const b = openPrompt()!;
          feedPrompt(b, spare, BLOCK_BYTES);
          if (promptHash(b, 0) == plain) expect(size).toBe(0, "parts of this size may change places");
          closePrompt(b);
        }
      }
    }
    heap.free(spare);
  });

  test("stop at MAX_BLOCKS, while all bytes are counted", () => {
    const a = openPrompt()!;
    const bytes = piecesOf(MAX_BLOCKS) * BLOCK_BYTES;
    expect(bytes).toBe(1212416);
    for (let i: u32 = 0; i < bytes - 1024; i += 1024) feedPrompt(a, text, 1024);
    expect(a.count).toBe(MAX_BLOCKS - 1);
    for (let i = 0; i < 3; i++) feedPrompt(a, text, 1024);
    expect(a.count).toBe(MAX_BLOCKS);
    expect(a.bytes).toBe(bytes + 2048);
    closePrompt(a);
  });
});

describe("the prefix index", () => {
  test("finds the longest prefix that was sent to an endpoint, and nothing on another endpoint", () => {
    pool(1000);
    for (let shared: u32 = 0; shared <= 20; shared++) {
      const first = prompt(20, 100 + shared, 20, 0);
      insertPrefix(first, 5, entryOf(0));
      closePrompt(first);
      const second = prompt(20, 100 + shared, shared, 7000 + shared);
      expect(matchPrefix(second, 5, entryOf(0))).toBe(shared);
      expect(matchPrefix(second, 5, entryOf(1))).toBe(0);
      expect(matchPrefix(second, 6, entryOf(0))).toBe(0, "another model or cache_salt");
      closePrompt(second);
    }
  });

  test("knows the end of a long prompt by longer blocks, which count as several in the cache", () => {
    pool(1000);
    const first = prompt(400, 7, 400, 0);
    expect(first.count).toBe(133, "64 of one piece, 64 of four, 5 of 16");
    const before = clockOf(entryOf(0).number).blocks;
    insertPrefix(first, 5, entryOf(0));
    expect(clockOf(entryOf(0).number).blocks - before).toBe(400 * UNITS);
    closePrompt(first);
    const forks: u32[] = [1, 63, 64, 65, 67, 68, 100, 319, 320, 335, 336, 399, 400];
    const held: u32[] = [1, 63, 64, 64, 64, 65, 73, 127, 128, 128, 129, 132, 133];
    for (let i = 0; i < forks.length; i++) {
      const second = prompt(400, 7, forks[i], 1000 + i);
      expect(matchPrefix(second, 5, entryOf(0))).toBe(held[i]);
      expect(piecesOf(held[i]) <= forks[i]).toBe(true);
      closePrompt(second);
    }
  });

  test("forgets what an endpoint must have evicted, the oldest prompt first", () => {
    pool(100);
    for (let i: u32 = 0; i < 10; i++) {
      const p = prompt(20, 500 + i, 20, 0);
      insertPrefix(p, 1, entryOf(0));
      closePrompt(p);
    }
    const old = prompt(20, 500, 20, 0);
    const recent = prompt(20, 509, 20, 0);
    closePrompt(old);
    expect(matchPrefix(recent, 1, entryOf(0))).toBe(20);
    closePrompt(recent);
    const evicted = prompt(20, 500, 20, 0);
    expect(matchPrefix(evicted, 1, entryOf(0))).toBe(0);
    closePrompt(evicted);
  });

  test("a prompt that is sent again and again is not forgotten", () => {
    pool(100);
    for (let i: u32 = 0; i < 50; i++) {
      const hot = prompt(20, 42, 20, 0);
      insertPrefix(hot, 1, entryOf(1));
      closePrompt(hot);
      const cold = prompt(20, 900 + i, 20, 0);
      insertPrefix(cold, 1, entryOf(1));
      closePrompt(cold);
    }
    const hot = prompt(20, 42, 20, 0);
    expect(matchPrefix(hot, 1, entryOf(1))).toBe(20);
    closePrompt(hot);
  });

  test("a long prompt stays whole while the table is full of blocks that came once", () => {
    pool(4000);
    for (let i: u32 = 0; i < 2000; i++) {
      if (i % 100 == 0) {
        const hot = prompt(47, 4711, 47, 0);
        if (i > 0) expect(matchPrefix(hot, 1, entryOf(0))).toBe(47);
        insertPrefix(hot, 1, entryOf(0));
        closePrompt(hot);
      }
      const once = prompt(20, 20000 + i, 20, 0);
      insertPrefix(once, 1, entryOf(0));
      closePrompt(once);
    }
  });

  test("another worker's prefix update counts as much as own traffic", () => {
    pool(1000);
    takeUpdate(update);
    const p = prompt(12, 77, 12, 0);
    insertPrefix(p, 3, entryOf(0));
    const bytes = takeUpdate(update);
    expect(bytes).toBe(24 + 12 * 8);
    expect(takeUpdate(update + bytes)).toBe(0, "each update is taken once");
    // A record with an unknown address changes nothing.
    store<u64>(update, textHash(changetype<usize>("10.0.0.2:8000"), 0));
    receiveUpdate(update, bytes);
    expect(matchPrefix(p, 3, entryOf(1))).toBe(0, "an endpoint that is not known is skipped");
    store<u64>(update, entryOf(1).hash);
    receiveUpdate(update, bytes);
    expect(matchPrefix(p, 3, entryOf(1))).toBe(12);
    closePrompt(p);
  });

  test("an update with a wrong length is not read past its end", () => {
    store<u64>(update, entryOf(1).hash);
    store<u64>(update, 1, 8);
    store<u64>(update, 0xffffffffffffffff, 16);
    receiveUpdate(update, 64);
    store<u64>(update, 200, 16);
    receiveUpdate(update, 64);
  });

  test("an update is copied in whole records, the oldest first, and is received up to the first that is not whole", () => {
    pool(1000);
    takeUpdate(update);
    for (let i: u32 = 0; i < 3; i++) {
      const sent = prompt(4, 90 + i, 4, 0);
      insertPrefix(sent, i, entryOf(0));
      closePrompt(sent);
    }
    const record: u32 = 24 + 4 * 8;
    expect(updateWaiting()).toBe(3 * record);
    expect(copyUpdate(update, 1)).toBe(record);
    expect(copyUpdate(update, record + 1)).toBe(2 * record);
    expect(copyUpdate(update, 1000)).toBe(3 * record);
    expect(receiveUpdate(update, 3 * record)).toBe(3 * record);
    expect(receiveUpdate(update, 3 * record - 1)).toBe(2 * record);
    dropUpdate(record);
    expect(copyUpdate(update, 1)).toBe(record);
    expect(load<u64>(update, PREFIX_SEED)).toBe(1, "the first was dropped");
    expect(takeUpdate(update)).toBe(2 * record);
    expect(copyUpdate(update, 1)).toBe(0);
  });
});

/** Number of units that are cached on the endpoint. */
function cachedUnits(endpoint: u32): u32 {
  return clockOf(entryOf(endpoint).number).blocks;
}

/** Makes a pool of two endpoints with empty caches, which have room for `blocks` blocks of 128 tokens each. */
function emptyPool(blocks: u32): void {
  pool(blocks);
  forgetPrefixes(entryOf(0));
  forgetPrefixes(entryOf(1));
}

/** Sends the prompts of 20 blocks with the numbers `first` to `last` to endpoint 0. A block has `units` units. */
function sendPrompts(first: u32, last: u32, units: u32): void {
  for (let i = first; i <= last; i++) {
    const sent = prompt(20, 50000 + i, 20, 0);
    sent.units = units;
    insertPrefix(sent, 1, entryOf(0));
    closePrompt(sent);
  }
}

/** Number of blocks of the prompt with this number that endpoint 0 has cached. */
function cachedBlocks(number: u32): u32 {
  const asked = prompt(20, 50000 + number, 20, 0);
  const blocks = matchPrefix(asked, 1, entryOf(0));
  closePrompt(asked);
  return blocks;
}

describe("tokens of a block", () => {
  test("fill the cache: 12,800 tokens are ten prompts of 20 blocks of 60 tokens, or two prompts of 20 blocks of 300", () => {
    emptyPool(100);
    sendPrompts(0, 0, 15);
    expect(cachedUnits(0)).toBe(20 * 15);
    sendPrompts(1, 9, 15);
    expect(cachedBlocks(0)).toBe(20, "ten fit");
    sendPrompts(10, 11, 15);
    expect(cachedBlocks(0)).toBe(0, "twelve do not");
    emptyPool(100);
    sendPrompts(20, 20, 75);
    expect(cachedUnits(0)).toBe(20 * 75);
    sendPrompts(21, 21, 75);
    expect(cachedBlocks(20)).toBe(20, "two fit");
    sendPrompts(22, 23, 75);
    expect(cachedBlocks(20)).toBe(0, "four do not");
    expect(cachedBlocks(23)).toBe(20);
  });

  test("are published with the prompt, up to the longest prompt with the most tokens", () => {
    emptyPool(20000);
    takeUpdate(update);
    sendPrompts(30, 30, 15);
    let bytes = takeUpdate(update);
    expect(load<u16>(update, PREFIX_COUNT)).toBe(20 | (15 << 9));
    store<u64>(update, entryOf(1).hash);
    receiveUpdate(update, bytes);
    expect(cachedUnits(1)).toBe(20 * 15);
    const longest = prompt(1, 60000, 1, 0);
    for (let i: u32 = 1; i < piecesOf(MAX_BLOCKS); i++) feedPrompt(longest, text, BLOCK_BYTES);
    expect(longest.count).toBe(256);
    longest.units = 127;
    insertPrefix(longest, 1, entryOf(0));
    bytes = takeUpdate(update);
    expect(bytes).toBe(24 + 256 * 8);
    expect(load<u32>(update, PREFIX_COUNT) & PREFIX_COUNT_MASK).toBe(256);
    expect(load<u32>(update, PREFIX_COUNT) >> PREFIX_UNITS_SHIFT).toBe(127);
    forgetPrefixes(entryOf(1));
    store<u64>(update, entryOf(1).hash);
    receiveUpdate(update, bytes);
    expect(cachedUnits(1)).toBe(piecesOf(256) * 127);
    expect(matchPrefix(longest, 1, entryOf(1))).toBe(256);
    closePrompt(longest);
  });

  test("are the usual ones in a record that does not tell them, as an older sidecar's", () => {
    emptyPool(1000);
    takeUpdate(update);
    sendPrompts(40, 40, 0);
    const bytes = takeUpdate(update);
    expect(load<u64>(update, PREFIX_COUNT)).toBe(20);
    expect(cachedUnits(0)).toBe(20 * UNITS);
    store<u64>(update, entryOf(1).hash);
    expect(receivePrefixes(update, update + bytes, false)).toBe(update + bytes);
    expect(cachedUnits(1)).toBe(0, "a record that was received before changes nothing");
    receivePrefixes(update, update + bytes, true);
    expect(cachedUnits(1)).toBe(20 * UNITS);
  });
});
