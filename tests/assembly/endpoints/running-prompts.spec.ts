import { textHash } from "../../../assembly/base/hash";
import { newRandom } from "../../../assembly/base/random";
import {
  followCaches,
  forgetPrefixes,
  lastStamp,
  matchPrefix,
  usePrefixes,
} from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix, UPDATE_BYTES, updateWaiting } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  closePrompt,
  feedPrompt,
  MAX_PROMPTS,
  openPrompt,
  Prompt,
} from "../../../assembly/endpoints/cache/prompt";
import {
  endPrompt,
  followPrompt,
  forgetPrompts,
  movePrompt,
  refreshPrompts,
} from "../../../assembly/endpoints/cache/running-prompts";
import { entryOf, findEntry } from "../../../assembly/endpoints/entries";
import { Entry } from "../../../assembly/endpoints/entry";
import { followTopology } from "../../../assembly/endpoints/in-flight";
import { tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Builder, bytesAt, bytesLength } from "../support/builder";
import { takeUpdate } from "../support/updates";

usePrefixes(BLOCK_BYTES);
/** Units (protocol/constants.ts) of a block: 128 tokens. */
const UNITS: u32 = BLOCK_BYTES / 16;
const random = newRandom(11);
const CACHE: u32 = 100;
const BLOCKS: u32 = 20;
/** A sixteenth of the cache's tokens. An endpoint is behind when more tokens wait. */
const MOST_WAITING: i32 = (CACHE * BLOCK_BYTES) / 4 / 16;
const SEED: u64 = 5;
const text: usize = memory.data(32768, 8);
const update: usize = memory.data(UPDATE_BYTES, 8);
const open: Prompt[] = [];
/** Number that makes each prompt different from all other prompts. */
let salt: u32 = 1000000;

const A = "10.0.0.1:8000";
const B = "10.0.0.2:8000";
const C = "10.0.0.3:8000";

/** A pool of endpoints whose caches have room for CACHE blocks each. */
function pool(addresses: string[]): void {
  const builder = new Builder();
  for (let i = 0; i < addresses.length; i++) {
    const pod = builder.pod(addresses[i]);
    pod.kvBlocks = CACHE;
    pod.blockTokens = BLOCK_BYTES / 4;
  }
  const view = builder.view();
  followTopology(view);
  followCaches(view);
}

/** Makes a pool of two endpoints with empty caches. */
function fresh(): void {
  pool([A, B]);
  forgetPrefixes(entryOf(0));
  forgetPrefixes(entryOf(1));
}

function prompt(start: u32, blocks: u32 = BLOCKS): Prompt {
  const result = openPrompt()!;
  for (let i: u32 = 0; i < blocks * BLOCK_BYTES; i += 4) store<u32>(text + i, start * 0x9e3779b1 + i);
  feedPrompt(result, text, blocks * BLOCK_BYTES);
  return result;
}

/** Begins a request, and returns its prompt. */
function begin(start: u32, entry: Entry): Prompt {
  const result = prompt(start);
  insertPrefix(result, SEED, entry);
  expect(followPrompt(result, SEED, entry)).toBe(true);
  return result;
}

/** Begins and ends other requests with `blocks` blocks together. `ticks`: a tick follows each request. */
function pass(blocks: u32, entry: Entry, ticks: bool): void {
  for (let i: u32 = 0; i < blocks; i += 10) {
    const other = prompt(salt++, 10);
    insertPrefix(other, SEED, entry);
    closePrompt(other);
    if (ticks) refreshPrompts();
  }
}

/** Number of a prompt's blocks that are cached on an endpoint, by the prefix index. */
function cached(start: u32, entry: Entry): u32 {
  const asked = prompt(start);
  const blocks = matchPrefix(asked, SEED, entry);
  closePrompt(asked);
  return blocks;
}

/** Opens all free prompts, and closes them again. Returns their number. */
function openable(): u32 {
  const opened: Prompt[] = [];
  for (let one = openPrompt(); one !== null; one = openPrompt()) opened.push(one);
  for (let i = 0; i < opened.length; i++) closePrompt(opened[i]);
  return opened.length;
}

describe("a running prompt", () => {
  test("stays cached, however many other requests pass", () => {
    fresh();
    const running = begin(1, entryOf(0));
    const gone = prompt(2);
    insertPrefix(gone, SEED, entryOf(0));
    closePrompt(gone);
    pass(10 * CACHE, entryOf(0), true);
    expect(cached(1, entryOf(0))).toBe(BLOCKS);
    expect(cached(2, entryOf(0))).toBe(0, "that of one that has ended");
    expect(cached(1, entryOf(1))).toBe(0, "it was never sent there");
    endPrompt(running);
  });

  test("is used again once half of the cache was used after it, not before", () => {
    fresh();
    pass(2 * CACHE, entryOf(0), false);
    const running = begin(1, entryOf(0));
    pass(40, entryOf(0), false);
    const stamp = lastStamp(entryOf(0));
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp);
    pass(20, entryOf(0), false);
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp + 2 * UNITS * (20 + BLOCKS));
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp + 2 * UNITS * (20 + BLOCKS), "once");
    endPrompt(running);
  });

  test("ages from its end", () => {
    fresh();
    const running = begin(1, entryOf(0));
    const next = openPrompt()!;
    pass(60, entryOf(0), false);
    endPrompt(running);
    // The prompt that is opened next takes this memory. So a later use of the ended prompt would show.
    closePrompt(next);
    pass(60, entryOf(0), true);
    expect(cached(1, entryOf(0))).toBe(BLOCKS);
    pass(60, entryOf(0), true);
    expect(cached(1, entryOf(0))).toBe(0);
  });

  test("is not used again at its end when next to no block was used after it", () => {
    fresh();
    pass(2 * CACHE, entryOf(0), false);
    takeUpdate(update);
    const running = begin(1, entryOf(0));
    const published = updateWaiting();
    const stamp = lastStamp(entryOf(0));
    endPrompt(running);
    expect(updateWaiting()).toBe(published);
    expect(lastStamp(entryOf(0))).toBe(stamp);
  });

  test("moves to the endpoint that serves it", () => {
    fresh();
    const running = begin(1, entryOf(0));
    movePrompt(running, entryOf(1).hash);
    expect(cached(1, entryOf(1))).toBe(BLOCKS, "at once");
    pass(2 * CACHE, entryOf(0), true);
    pass(2 * CACHE, entryOf(1), true);
    expect(cached(1, entryOf(0))).toBe(0);
    expect(cached(1, entryOf(1))).toBe(BLOCKS);
    pass(60, entryOf(1), false);
    endPrompt(running);
    pass(60, entryOf(1), false);
    expect(cached(1, entryOf(1))).toBe(BLOCKS, "aged from the end there");
  });

  test("is nowhere when the endpoint that serves it is not known", () => {
    fresh();
    expect(findEntry(0) === null).toBe(true);
    const running = begin(1, entryOf(0));
    movePrompt(running, 0);
    takeUpdate(update);
    refreshPrompts();
    endPrompt(running);
    expect(updateWaiting()).toBe(0);
  });

  test("is forgotten with the cache of its endpoint, which was restarted", () => {
    fresh();
    const ended = begin(1, entryOf(0));
    const elsewhere = begin(1, entryOf(1));
    forgetPrefixes(entryOf(0));
    forgetPrompts(entryOf(0));
    refreshPrompts();
    expect(cached(1, entryOf(0))).toBe(0);
    pass(2 * CACHE, entryOf(1), true);
    expect(cached(1, entryOf(1))).toBe(BLOCKS);
    endPrompt(ended);
    endPrompt(elsewhere);
    expect(cached(1, entryOf(0))).toBe(0);
  });

  test("does no harm when its endpoint is gone", () => {
    fresh();
    const running = begin(1, entryOf(0));
    const other = begin(2, entryOf(1));
    pool([B]);
    pool([B, C]);
    expect(findEntry(textHash(bytesAt(A), bytesLength)) === null).toBe(true);
    refreshPrompts();
    expect(cached(1, entryOf(0))).toBe(0, "not on one of the others");
    endPrompt(running);
    pool([A, B]);
    expect(cached(1, entryOf(0))).toBe(0, "it came anew");
    pass(2 * CACHE, entryOf(1), true);
    expect(cached(2, entryOf(1))).toBe(BLOCKS);
    endPrompt(other);
  });
});

describe("a running prompt of an endpoint that is behind", () => {
  test("is not used again, on the tick nor at its end, and ages from when it was sent", () => {
    fresh();
    const running = begin(1, entryOf(0));
    pass(60, entryOf(0), false);
    tokensSent(entryOf(0), MOST_WAITING + 1, 0);
    takeUpdate(update);
    const stamp = lastStamp(entryOf(0));
    refreshPrompts();
    endPrompt(running);
    expect(lastStamp(entryOf(0))).toBe(stamp);
    expect(updateWaiting()).toBe(0);
    pass(60, entryOf(0), false);
    expect(cached(1, entryOf(0))).toBe(0);
    tokensDone(entryOf(0), MOST_WAITING + 1);
  });

  test("is used again as soon as a sixteenth of the cache or less waits", () => {
    fresh();
    const running = begin(1, entryOf(0));
    pass(60, entryOf(0), false);
    const stamp = lastStamp(entryOf(0));
    tokensSent(entryOf(0), MOST_WAITING + 1, 0);
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp);
    tokensDone(entryOf(0), 1);
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp + 2 * UNITS * BLOCKS);
    pass(60, entryOf(0), false);
    endPrompt(running);
    pass(60, entryOf(0), false);
    expect(cached(1, entryOf(0))).toBe(BLOCKS);
    tokensDone(entryOf(0), MOST_WAITING);
  });

  test("counts tokens that other workers sent, and none that wait on another endpoint", () => {
    fresh();
    const running = begin(1, entryOf(0));
    pass(60, entryOf(0), false);
    const stamp = lastStamp(entryOf(0));
    entryOf(0).tokens.othersWaiting = MOST_WAITING + 1;
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp);
    entryOf(0).tokens.othersWaiting = 0;
    entryOf(1).tokens.othersWaiting = MOST_WAITING + 1;
    refreshPrompts();
    expect(lastStamp(entryOf(0))).toBe(stamp + 2 * UNITS * BLOCKS);
    entryOf(1).tokens.othersWaiting = 0;
    endPrompt(running);
  });

  test("moves all the same to the endpoint that serves it", () => {
    fresh();
    const running = begin(1, entryOf(0));
    tokensSent(entryOf(1), MOST_WAITING + 1, 0);
    movePrompt(running, entryOf(1).hash);
    expect(cached(1, entryOf(1))).toBe(BLOCKS);
    tokensDone(entryOf(1), MOST_WAITING + 1);
    endPrompt(running);
  });
});

describe("running prompts", () => {
  test("are half of all prompts at most, and leave nothing behind in whatever order they end", () => {
    fresh();
    for (let round = 0; round < 3; round++) {
      while (true) {
        const one = prompt(open.length, 1);
        if (followPrompt(one, SEED, entryOf(open.length & 1))) open.push(one);
        else {
          closePrompt(one);
          break;
        }
      }
      expect(open.length).toBe(MAX_PROMPTS / 2);
      refreshPrompts();
      // The last round ends all prompts.
      const left = round < 2 ? 7 : 0;
      while (open.length > left) endPrompt(open.splice(random.next() % open.length, 1)[0]);
      expect(openable()).toBe(MAX_PROMPTS - left);
    }
    const one = begin(3, entryOf(0));
    pass(2 * CACHE, entryOf(0), true);
    expect(cached(3, entryOf(0))).toBe(BLOCKS, "and others are followed as well as ever");
    endPrompt(one);
  });

  test("are at least a block long", () => {
    fresh();
    const short = openPrompt()!;
    feedPrompt(short, text, BLOCK_BYTES - 1);
    expect(followPrompt(short, SEED, entryOf(0))).toBe(false);
    closePrompt(short);
  });
});
