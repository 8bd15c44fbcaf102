import { findLastSent } from "../../../assembly/endpoints/cache/last-sent";
import { matchPrefix, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  blockBytes,
  closePrompt,
  feedPrompt,
  openPrompt,
  Prompt,
} from "../../../assembly/endpoints/cache/prompt";
import { followCosts } from "../../../assembly/endpoints/costs";
import { entryOf } from "../../../assembly/endpoints/entries";
import { started } from "../../../assembly/endpoints/in-flight";
import { followScrapes, unseenWeight } from "../../../assembly/endpoints/unseen";
import { tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { pick } from "../../../assembly/pick/pick";
import { KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { commonTerms, tokenTerms } from "../../../assembly/pick/token-cost";
import { wholeModel } from "../../../assembly/places/range";
import { NONE, SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";
import { candidates, follow, input, lookAt, opened, pods, random, SECOND, send } from "../support/picks";

usePrefixes(BLOCK_BYTES);
const PICKS = 60;
const SEED: u64 = 9;
/** Tokens of each endpoint's cache in the pools of owners. */
const CACHE = 96000;
const profile = newProfile(KIND_TOKENS);
const text: usize = memory.data(32768, 8);
input.now = SECOND;
input.seed = SEED;

/** o of the formula for an endpoint that is not the owner. */
function priceOfOthers(view: SnapshotView): f32 {
  lookAt(view, 0, profile);
  return commonTerms(candidates, profile, input).notOwner;
}

/** o of the formula for candidate `i`. */
function ownerTerm(view: SnapshotView, i: u32): f32 {
  lookAt(view, 0, profile);
  return tokenTerms(candidates, i, profile, input, commonTerms(candidates, profile, input)).notOwner;
}

/** How many of PICKS picks go to the endpoint. */
function picksOf(view: SnapshotView, endpoint: u32): i32 {
  let times = 0;
  for (let i = 0; i < PICKS; i++) {
    if (pick(view, 0, profile, input, wholeModel(view, 0), random).first == endpoint) times++;
  }
  return times;
}

function near(x: f32, expected: f32): void {
  expect(Mathf.abs(x - expected) <= Mathf.abs(expected) * 0.0001).toBe(true, `${x} is ${expected}`);
}

/** The prompt of 64 blocks with this number, and the pick's request with it. Its tokens are a quarter of its bytes: 8,192. */
function prompt(number: u32): Prompt {
  const result = openPrompt()!;
  for (let i: u32 = 0; i < 64 * BLOCK_BYTES; i += 4) store<u32>(text + i, number * 0x9e3779b1 + i);
  feedPrompt(result, text, 64 * BLOCK_BYTES);
  input.prompt = changetype<usize>(result);
  input.tokens = result.bytes >> 2;
  input.pieceTokens = <f32>blockBytes() / 4;
  return result;
}

/** Sends a prompt to the endpoint, whose cache then has the prompt. */
function cache(number: u32, endpoint: u32): void {
  const sent = prompt(number);
  insertPrefix(sent, SEED, entryOf(endpoint));
  closePrompt(sent);
}

let salt: u32 = 1000;

/** A pool of `count` endpoints. Endpoint 2 was sent prompt 1, and has evicted the prompt since. */
function evictedPool(count: i32): SnapshotView {
  const builder = pods(count);
  for (let i = 0; i < count; i++) {
    builder.pods[i].kvBlocks = CACHE / 16;
    builder.pods[i].blockTokens = 16;
  }
  const view = follow(builder, 16);
  cache(1, 2);
  for (let k = 0; k < 15; k++) cache(salt++, 2);
  return view;
}

/** Sends `requests` requests of `tokens` tokens to each of the first `count` endpoints. */
function fill(count: u32, requests: i32, tokens: i32): void {
  for (let i: u32 = 0; i < count; i++) {
    for (let k = 0; k < requests; k++) send(i, tokens);
  }
}

describe("the prompt's owner", () => {
  test("does not count while less than 3 % of the caches wait", () => {
    const view = evictedPool(4);
    fill(4, 1, (CACHE * 29) / 1000);
    const asked = prompt(1);
    expect(matchPrefix(asked, SEED, entryOf(2))).toBe(0, "evicted");
    expect(findLastSent(asked, SEED).last).toBe(2, "the owner");
    expect(priceOfOthers(view)).toBe(0);
    expect(picksOf(view, 2)).toBeLessThan(PICKS / 2);
    closePrompt(asked);
  });

  test("counts from 3 % on, in full at 8 %", () => {
    const asked = prompt(1);
    // L of the mean endpoint: its waiting tokens, and the tokens of one in-flight request.
    const shares: f32[] = [0.04, 0.055, 0.08, 0.5];
    const prices: f32[] = [0.1, 0.25, 0.5, 0.5];
    for (let i = 0; i < shares.length; i++) {
      const view = evictedPool(4);
      const tokens = <i32>(<f32>CACHE * shares[i]);
      fill(4, 1, tokens);
      input.prompt = changetype<usize>(asked);
      input.tokens = asked.bytes >> 2;
      near(priceOfOthers(view), prices[i] * (<f32>tokens + 100 * (1 + 1 / <f32>64)));
      expect(ownerTerm(view, 2)).toBe(0);
      expect(ownerTerm(view, 0) > 0).toBe(true);
    }
    closePrompt(asked);
  });

  test("gets an evicted prompt back while the pool is far behind", () => {
    const view = evictedPool(4);
    fill(4, 4, CACHE / 40);
    const asked = prompt(1);
    expect(matchPrefix(asked, SEED, entryOf(2))).toBe(0, "evicted");
    expect(picksOf(view, 2)).toBe(PICKS);
    closePrompt(asked);
    // A prompt that nobody was sent has no owner.
    const unknown = prompt(2);
    expect(priceOfOthers(view)).toBe(0);
    expect(picksOf(view, 2)).toBeLessThan(PICKS / 2);
    closePrompt(unknown);
  });

  test("counts by the part of the prompt that it was sent", () => {
    const view = evictedPool(4);
    fill(4, 4, CACHE / 40);
    const whole = prompt(1);
    const price = priceOfOthers(view);
    closePrompt(whole);
    const longer = prompt(1);
    for (let i: u32 = 0; i < 64; i++) {
      store<u32>(text, i + 77);
      feedPrompt(longer, text, BLOCK_BYTES);
    }
    input.tokens = longer.bytes >> 2;
    near(priceOfOthers(view), price / 2);
    closePrompt(longer);
  });

  test("is left when its load is more than half above the mean of a pool", () => {
    // The owner is one of eight endpoints, so the mean rises with its load: 1.45 and 1.65 times the others' load are below and above.
    for (let round = 0; round < 2; round++) {
      const view = evictedPool(8);
      fill(8, 20, CACHE / 200);
      const asked = prompt(1);
      expect(picksOf(view, 2)).toBe(PICKS);
      const more = round == 0 ? 9 : 13;
      for (let i = 0; i < more; i++) send(2, CACHE / 200);
      expect(picksOf(view, 2)).toBe(round == 0 ? PICKS : 0);
      closePrompt(asked);
    }
  });

  test("is nobody once the endpoint is gone", () => {
    const view = evictedPool(4);
    fill(4, 4, CACHE / 40);
    const asked = prompt(1);
    expect(priceOfOthers(view) > 0).toBe(true);
    closePrompt(asked);
    const others = pods(4);
    for (let i = 0; i < 4; i++) {
      others.pods[i].kvBlocks = CACHE / 16;
      others.pods[i].blockTokens = 16;
    }
    const next = follow(others, 16);
    fill(4, 4, CACHE / 40);
    const again = prompt(1);
    expect(findLastSent(again, SEED).last).toBe(NONE);
    expect(priceOfOthers(next)).toBe(0);
    closePrompt(again);
  });

  test("does not count for a request without a prompt", () => {
    const view = evictedPool(4);
    fill(4, 4, CACHE / 40);
    input.prompt = 0;
    input.tokens = 8192;
    expect(priceOfOthers(view)).toBe(0);
  });
});

let version: u64 = 1700000000000000;

/** A pool of `count` endpoints on which scrapes show `requests` requests each, none of which this Envoy sent. */
function unheardPool(count: i32, requests: i32): SnapshotView {
  const builder = pods(count);
  for (let i = 0; i < count; i++) {
    builder.pods[i].running = requests;
    builder.pods[i].waiting = 0;
    builder.pods[i].kvBlocks = CACHE / 16;
    builder.pods[i].blockTokens = 16;
  }
  const view = follow(builder, 16);
  for (let k = 0; k < 1200; k++) {
    version += 100000;
    builder.version = version;
    followScrapes(builder.view());
  }
  return view;
}

/** The owner of the pick's prompt. */
function ownerIn(view: SnapshotView): u32 {
  lookAt(view, 0, profile);
  return commonTerms(candidates, profile, input).owner;
}

describe("the owner beside gateways that this Envoy does not hear of", () => {
  test("is a prompt's home: the same each time, of all endpoints, and another for other prompts", () => {
    const view = unheardPool(4, 10);
    expect(unseenWeight()).toBe(1);
    const times = [0, 0, 0, 0];
    for (let number: u32 = 0; number < 100; number++) {
      const asked = prompt(5000 + number);
      const owner = ownerIn(view);
      expect(ownerIn(view)).toBe(owner);
      expect(ownerTerm(view, owner)).toBe(0);
      times[owner]++;
      closePrompt(asked);
    }
    for (let i = 0; i < 4; i++) expect(times[i]).toBeGreaterThan(10);
  });

  test("has the price of the mean load: ten requests cost 100 (1 + 10 / 64) each", () => {
    const view = unheardPool(4, 10);
    const asked = prompt(6000);
    near(priceOfOthers(view), 10 * 100 * (1 + 10 / <f32>64));
    const owner = ownerIn(view);
    expect(picksOf(view, owner)).toBe(PICKS);
    closePrompt(asked);
  });

  test("is the endpoint that has the prompt cached, if it has the beginning that gives the home", () => {
    const view = unheardPool(4, 10);
    const home = ownerOfPrompt(view, 7000);
    const other = (home + 1) % 4;
    cache(7000, other);
    expect(ownerOfPrompt(view, 7000)).toBe(other);
  });

  test("is the same in a large pool, of which a pick looks at a part", () => {
    const view = unheardPool(100, 10);
    const asked = prompt(8000);
    const owner = ownerIn(view);
    expect(owner).not.toBe(NONE);
    for (let k = 0; k < 10; k++) expect(ownerIn(view)).toBe(owner);
    closePrompt(asked);
  });

  test("is nobody for a prompt that is too short, and where all requests are known", () => {
    const view = unheardPool(4, 10);
    const short = openPrompt()!;
    feedPrompt(short, text, BLOCK_BYTES - 1);
    input.prompt = changetype<usize>(short);
    expect(ownerIn(view)).toBe(NONE);
    expect(priceOfOthers(view)).toBe(0);
    closePrompt(short);
    const known = unheardPool(4, 0);
    for (let i = 0; i < 4; i++) started(i);
    expect(unseenWeight()).toBe(1, "the share is not known without requests");
    const builder = pods(4);
    for (let i = 0; i < 4; i++) builder.pods[i].waiting = 0;
    follow(builder, 16);
    for (let i = 0; i < 4; i++) started(i);
    for (let k = 0; k < 1800; k++) {
      version += 100000;
      builder.version = version;
      followScrapes(builder.view());
    }
    expect(unseenWeight()).toBe(0);
    const asked = prompt(9000);
    expect(ownerIn(known)).toBe(NONE);
    closePrompt(asked);
  });
});

function ownerOfPrompt(view: SnapshotView, number: u32): u32 {
  const asked = prompt(number);
  const owner = ownerIn(view);
  closePrompt(asked);
  return owner;
}
