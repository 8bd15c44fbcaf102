import { clockOf } from "../../../assembly/endpoints/cache/lru";
import { forgetPrefixes, matchPrefix, refillBlock, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  closePrompt,
  feedPrompt,
  keyOfBlock,
  openPrompt,
  Prompt,
  promptHash,
} from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import { pool } from "../support/caches";

usePrefixes(BLOCK_BYTES);
/** Units (protocol/constants.ts) of a block: 128 tokens. */
const UNITS: u32 = BLOCK_BYTES / 16;
const text: usize = memory.data(65536, 8);

/** A prompt of `blocks` blocks that depend on `start`. */
function prompt(blocks: u32, start: u32): Prompt {
  const result = openPrompt()!;
  for (let i: u32 = 0; i < blocks * BLOCK_BYTES; i += 4) store<u32>(text + i, start * 0x9e3779b1 + i);
  feedPrompt(result, text, blocks * BLOCK_BYTES);
  return result;
}

describe("a refill", () => {
  test("adds blocks in the order of their last use, with their tokens, and hot blocks count as hot", () => {
    pool(100);
    const entry = entryOf(0);
    forgetPrefixes(entry);
    const clock = clockOf(entry.number);
    const first = prompt(60, 801);
    const second = prompt(60, 802);
    for (let i: i32 = 59; i >= 0; i--) refillBlock(keyOfBlock(promptHash(first, i), 5), UNITS, false, entry);
    expect(clock.blocks).toBe(60 * UNITS);
    expect(clock.hot).toBe(0);
    for (let i: i32 = 59; i >= 0; i--) refillBlock(keyOfBlock(promptHash(second, i), 5), UNITS, true, entry);
    expect(matchPrefix(second, 5, entry)).toBe(60);
    expect(matchPrefix(second, 6, entry)).toBe(0, "another model or cache_salt");
    expect(matchPrefix(second, 5, entryOf(1))).toBe(0, "another endpoint");
    expect(clock.blocks).toBe(100 * UNITS);
    expect(clock.hot).toBe(60 * UNITS);
    const left = matchPrefix(first, 5, entry);
    expect(left >= 30 && left <= 50).toBe(
      true,
      `the tail of the prompt that was used first is evicted, ${left} are left`,
    );
    closePrompt(first);
    closePrompt(second);
  });

  test("brings blocks that the index has into the refill's order, and counts each once", () => {
    pool(100);
    const entry = entryOf(0);
    forgetPrefixes(entry);
    const clock = clockOf(entry.number);
    const recent = prompt(30, 811);
    const old = prompt(60, 812);
    insertPrefix(recent, 5, entry);
    for (let i: i32 = 59; i >= 0; i--) refillBlock(keyOfBlock(promptHash(old, i), 5), UNITS, false, entry);
    for (let i: i32 = 29; i >= 0; i--) refillBlock(keyOfBlock(promptHash(recent, i), 5), UNITS, true, entry);
    expect(clock.blocks).toBe(90 * UNITS);
    expect(clock.hot).toBe(30 * UNITS);
    const further = prompt(50, 813);
    insertPrefix(further, 5, entry);
    expect(matchPrefix(recent, 5, entry)).toBe(30);
    expect(matchPrefix(old, 5, entry) < 40).toBe(true, "the older prompt is evicted first");
    closePrompt(recent);
    closePrompt(old);
    closePrompt(further);
  });
});
