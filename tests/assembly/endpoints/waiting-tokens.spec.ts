import { newRandom } from "../../../assembly/base/random";
import { followCaches, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix } from "../../../assembly/endpoints/cache/prefix-updates";
import { BLOCK_BYTES, blockBytes, closePrompt, feedPrompt, openPrompt } from "../../../assembly/endpoints/cache/prompt";
import { USUAL_RATE } from "../../../assembly/endpoints/costs";
import { entryOf } from "../../../assembly/endpoints/entries";
import { finished, followTopology, started } from "../../../assembly/endpoints/in-flight";
import { addOthers, beginOthers, endOthers, PUBLISHED_BYTES } from "../../../assembly/endpoints/other-workers";
import { followScrapes } from "../../../assembly/endpoints/unseen";
import { queueOf, tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Choice, pick } from "../../../assembly/pick/pick";
import { newPickInput } from "../../../assembly/pick/pick-input";
import { KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { commonTerms, uncachedTokens } from "../../../assembly/pick/token-cost";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

usePrefixes(BLOCK_BYTES);
const random = newRandom(11);
let choice: Choice = changetype<Choice>(0);
const profile = newProfile(KIND_TOKENS);
const input = newPickInput();
const text: usize = memory.data(65536, 8);
const published: usize = memory.data(65536, 8);
/** Number of prompts of 64 blocks that fill most of a cache whose size is not reported (2,000,000 bytes). */
const FILLING: u64 = 56;
const SECOND: u64 = 1000000000;

/** A pool of `count` idle endpoints that all serve model m. */
function pool(count: i32, first: i32): SnapshotView {
  const b = new Builder();
  const all: u32[] = [];
  for (let i = 0; i < count; i++) {
    b.pod(`10.1.${100 + first + i / 90}.${10 + (i % 90)}:8000`);
    all.push(i);
  }
  b.model("m", all);
  const view = b.view();
  followTopology(view);
  followCaches(view);
  return view;
}

describe("tokens that wait on an endpoint", () => {
  test("drain at the rate, and never exceed the waiting tokens", () => {
    pool(2, 0);
    const entry = entryOf(0);
    tokensSent(entry, 10000, 5 * SECOND);
    expect(queueOf(entry, 5 * SECOND)).toBe(10000);
    expect(queueOf(entry, 5 * SECOND + SECOND / 4)).toBe(10000 - USUAL_RATE / 4);
    expect(queueOf(entry, 9 * SECOND)).toBe(0);
    tokensSent(entry, 3000, 9 * SECOND);
    tokensDone(entry, 10000);
    tokensSent(entry, 500, 9 * SECOND);
    tokensDone(entry, 3000);
    expect(queueOf(entry, 9 * SECOND)).toBe(500);
    tokensDone(entry, 500);
    expect(entry.tokens.waiting).toBe(0);
  });

  test("of other workers count once they are received, and go when they are done", () => {
    pool(2, 10);
    const entry = entryOf(1);
    memory.fill(published, 0, 2 * PUBLISHED_BYTES);
    store<i32>(published + PUBLISHED_BYTES, 1);
    store<i32>(published + PUBLISHED_BYTES, 4000, 8);
    store<i32>(published + PUBLISHED_BYTES, 4000, 12);
    beginOthers();
    addOthers(published);
    endOthers(SECOND);
    expect(queueOf(entry, SECOND)).toBe(4000);
    store<i32>(published + PUBLISHED_BYTES, 0, 8);
    beginOthers();
    addOthers(published);
    endOthers(SECOND);
    expect(queueOf(entry, SECOND)).toBe(0);
  });
});

describe("profile tokens", () => {
  test("sends a prompt where its beginning is cached, until that endpoint is busier by more than the cache saves", () => {
    const view = pool(4, 30);
    const prompt = openPrompt()!;
    for (let i = 0; i < 65536; i += 4) store<u32>(text + i, i * 0x9e3779b1);
    feedPrompt(prompt, text, 64 * BLOCK_BYTES);
    input.now = SECOND;
    input.seed = 1;
    input.prompt = changetype<usize>(prompt);
    input.tokens = prompt.bytes >> 2;
    input.pieceTokens = <f32>blockBytes() / 4;
    insertPrefix(prompt, 1, entryOf(2));
    expect(uncachedTokens(input, entryOf(2))).toBe(16);
    expect(uncachedTokens(input, entryOf(0))).toBe(input.tokens);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first).toBe(2);
    // The cache saves 0.4 times 8,176 tokens. n requests cost 100 n (1 + n / 64): 23 are cheaper than that, 25 are not.
    for (let i = 0; i < 23; i++) started(2);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first).toBe(2);
    for (let i = 0; i < 2; i++) started(2);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first == 2).toBe(false);
    // If the caches are full of blocks that are used again, each uncached token costs about a hundred tokens (P in token-cost.ts).
    for (let i = 0; i < 4; i++) {
      for (let seed: u64 = 100; seed < 100 + FILLING; seed++) {
        insertPrefix(prompt, seed, entryOf(i));
        insertPrefix(prompt, seed, entryOf(i));
      }
    }
    insertPrefix(prompt, 1, entryOf(2));
    expect(uncachedTokens(input, entryOf(2))).toBe(16);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first).toBe(2);
    expect(commonTerms(choice.candidates, profile, input).prefillPrice > 20).toBe(true);
    for (let i = 0; i < 25; i++) finished(entryOf(2).hash, 0);
    closePrompt(prompt);
  });

  test("a burst over equal idle endpoints goes to all of them alike", () => {
    const view = pool(8, 40);
    input.prompt = 0;
    input.tokens = 100;
    const counts = new StaticArray<i32>(8);
    for (let i = 0; i < 200; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
      started(choice.first);
      tokensSent(entryOf(choice.first), 100, SECOND);
    }
    for (let i = 0; i < 8; i++) expect(abs(counts[i] - 25)).toBeLessThan(2);
  });

  test("a burst of prompts of very different lengths leaves no endpoint with more than a fifth above its share", () => {
    const view = pool(8, 45);
    input.prompt = 0;
    input.now = SECOND;
    for (let round = 0; round < 20; round++) {
      const counts = new StaticArray<i32>(8);
      const tokens = new StaticArray<i32>(8);
      for (let i = 0; i < 200; i++) {
        // One prompt in ten is twenty times as long as the others.
        input.tokens = random.next() % 10 == 0 ? 10000 : 500;
        choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
        counts[choice.first]++;
        tokens[choice.first] += input.tokens;
        started(choice.first);
        tokensSent(entryOf(choice.first), input.tokens, SECOND);
      }
      for (let i = 0; i < 8; i++) {
        expect(counts[i]).toBeLessThan(31);
        for (let k = 0; k < counts[i]; k++) finished(entryOf(i).hash, 0);
        tokensDone(entryOf(i), tokens[i]);
      }
    }
  });

  test("finds three different usable endpoints of a thousand, and the home of a prompt again", () => {
    const view = pool(1000, 50);
    const prompt = openPrompt()!;
    feedPrompt(prompt, text, 8 * BLOCK_BYTES);
    input.prompt = changetype<usize>(prompt);
    input.seed = 3;
    input.tokens = 4096;
    input.pieceTokens = <f32>blockBytes() / 4;
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    const home = choice.first;
    expect(choice.count).toBe(3);
    expect(choice.first != choice.second && choice.second != choice.third && choice.first != choice.third).toBe(true);
    insertPrefix(prompt, 3, entryOf(home));
    let again = 0;
    for (let i = 0; i < 50; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      if (choice.first == home) again++;
    }
    // The first pick may have been a random endpoint. Then the homes are cold too, and as good.
    expect(again == 50 || uncachedTokens(input, entryOf(choice.first)) > 16).toBe(true);
    closePrompt(prompt);
  });

  test("prefers no endpoint that does not report its requests: the signal is dropped for all, or penalised", () => {
    const b = new Builder();
    b.pod("10.1.190.1:8000").running = 30;
    b.pod("10.1.190.2:8000").running = 30;
    b.pod("10.1.190.3:8000").running = UNKNOWN;
    b.model("m", [0, 1, 2]);
    const view = b.view();
    followTopology(view);
    followScrapes(view);
    input.prompt = 0;
    input.tokens = 100;
    input.now = 2000000 * SECOND;
    for (let penalise = 0; penalise < 2; penalise++) {
      profile.penalise = penalise == 1;
      profile.staleAfter = 2000;
      let silent = 0;
      for (let i = 0; i < 300; i++) {
        choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
        if (choice.first == 2) silent++;
      }
      // The endpoint gets a third of the picks. The standard deviation is 8.
      expect(abs(silent - 100)).toBeLessThan(50);
    }
    profile.penalise = false;
  });
});
