import { newRandom } from "../../../assembly/base/random";
import { findLastSent } from "../../../assembly/endpoints/cache/last-sent";
import { followCaches, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix, receiveUpdate, UPDATE_BYTES } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  blockBytes,
  closePrompt,
  feedPrompt,
  openPrompt,
  Prompt,
} from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import { eject } from "../../../assembly/endpoints/health";
import { finished, followTopology, started } from "../../../assembly/endpoints/in-flight";
import { Choice, pick } from "../../../assembly/pick/pick";
import { newPickInput } from "../../../assembly/pick/pick-input";
import { KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { wholeModel } from "../../../assembly/places/range";
import { NONE, SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";
import { takeUpdate } from "../support/updates";

usePrefixes(BLOCK_BYTES);
const random = newRandom(5);
let choice: Choice = changetype<Choice>(0);
const profile = newProfile(KIND_TOKENS);
const input = newPickInput();
const text: usize = memory.data(65536, 8);
const update: usize = memory.data(UPDATE_BYTES, 8);
const SECOND: u64 = 1000000000;
const PICKS = 50;

/** A pool of idle endpoints of model m with the numbers `first` to `last`. Each cache has room for 65 of the tests' blocks. */
function pool(first: i32, last: i32): SnapshotView {
  const b = new Builder();
  const all: u32[] = [];
  for (let i = first; i <= last; i++) {
    const pod = b.pod(`10.2.${100 + i / 90}.${10 + (i % 90)}:8000`);
    pod.kvBlocks = 65;
    pod.blockTokens = BLOCK_BYTES / 4;
    all.push(i - first);
  }
  b.model("m", all);
  const view = b.view();
  followTopology(view);
  followCaches(view);
  return view;
}

/** The prompt with this number: `shared` blocks that all prompts have, then `more` blocks that only this prompt has. */
function prompt(number: u32, shared: u32, more: u32): Prompt {
  const result = openPrompt()!;
  for (let i: u32 = 0; i < (shared + more) * BLOCK_BYTES; i += 4) {
    store<u32>(text + i, (i < shared * BLOCK_BYTES ? 0 : number) * 0x9e3779b1 + i);
  }
  feedPrompt(result, text, (shared + more) * BLOCK_BYTES);
  input.now = SECOND;
  input.seed = 9;
  input.prompt = changetype<usize>(result);
  input.tokens = result.bytes >> 2;
  input.pieceTokens = <f32>blockBytes() / 4;
  return result;
}

function sent(to: u32, number: u32, shared: u32, more: u32): void {
  const what = prompt(number, shared, more);
  insertPrefix(what, input.seed, entryOf(to));
  closePrompt(what);
}

/** How many of PICKS picks go to the endpoint. */
function picksOf(view: SnapshotView, endpoint: u32): i32 {
  let times = 0;
  for (let i = 0; i < PICKS; i++) {
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    if (choice.first == endpoint) times++;
  }
  return times;
}

describe("in a pool of a thousand", () => {
  test("a conversation stays on its endpoint, though all conversations begin alike", () => {
    const view = pool(0, 999);
    sent(17, 1, 20, 4);
    for (let other: u32 = 2; other < 40; other++) sent(20 * other, other, 20, 4);
    const next = prompt(1, 20, 9);
    expect(picksOf(view, 17)).toBe(PICKS);
    closePrompt(next);
  });

  test("a prompt finds the last two endpoints that were sent it, and no third", () => {
    const view = pool(0, 999);
    sent(300, 50, 0, 6);
    sent(301, 50, 0, 6);
    sent(302, 50, 0, 6);
    const again = prompt(50, 0, 6);
    const found = findLastSent(again, input.seed);
    expect(found.last).toBe(302);
    expect(found.before).toBe(301);
    for (let i = 0; i < 200; i++) started(302);
    expect(picksOf(view, 301)).toBe(PICKS);
    for (let i = 0; i < 200; i++) finished(entryOf(302).hash, 0);
    closePrompt(again);
  });

  test("an ejected endpoint is no candidate", () => {
    const view = pool(0, 999);
    sent(400, 60, 0, 6);
    const again = prompt(60, 0, 6);
    eject(entryOf(400), 2 * SECOND, 1000, 1);
    expect(picksOf(view, 400)).toBe(0);
    input.now = 20 * SECOND;
    expect(picksOf(view, 400)).toBe(PICKS);
    closePrompt(again);
  });

  test("the same text for another model is another prompt", () => {
    pool(0, 999);
    sent(500, 70, 0, 6);
    const again = prompt(70, 0, 6);
    expect(findLastSent(again, input.seed + 1).last).toBe(NONE);
    closePrompt(again);
  });

  test("a prompt that another worker sent is found", () => {
    pool(0, 999);
    takeUpdate(update);
    sent(600, 80, 0, 6);
    const bytes = takeUpdate(update);
    // Since then this worker sent the prompt to another endpoint.
    sent(601, 80, 0, 6);
    receiveUpdate(update, bytes);
    const again = prompt(80, 0, 6);
    const found = findLastSent(again, input.seed);
    expect(found.last).toBe(600);
    expect(found.before).toBe(601);
    closePrompt(again);
  });
});

describe("when pods come and go", () => {
  test("an endpoint is found at its new index in the snapshot, and an endpoint that is gone is not", () => {
    pool(0, 999);
    sent(700, 90, 0, 6);
    sent(10, 91, 0, 6);
    const view = pool(50, 1010);
    const kept = prompt(90, 0, 6);
    expect(picksOf(view, 650)).toBe(PICKS);
    closePrompt(kept);
    const lost = prompt(91, 0, 6);
    expect(findLastSent(lost, input.seed).last).toBe(NONE);
    closePrompt(lost);
  });

  test("endpoints that stay keep their numbers, and the numbers of the next ones follow without a gap", () => {
    pool(2000, 2099);
    const last = entryOf(99).number;
    pool(2000, 2100);
    expect(entryOf(99).number).toBe(last);
    expect(entryOf(100).number).toBe(last + 1);
    pool(2000, 2101);
    expect(entryOf(101).number).toBe(last + 2);
  });
});
