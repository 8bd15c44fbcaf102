// Makes picks in a loop as requests do, but without a host. asc compiles this file with the release's flags.

import { newRandom } from "../../../assembly/base/random";
import { adapterSent, followAdapters } from "../../../assembly/endpoints/adapters";
import { followCaches, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { dropUpdate, insertPrefix, updateWaiting } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  BLOCK_BYTES,
  blockBytes,
  closePrompt,
  feedPrompt,
  openPrompt,
  SMALL_BLOCK_BYTES,
} from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import { followUsable } from "../../../assembly/endpoints/health";
import {
  finished,
  followTopology,
  PUBLISHED_BYTES,
  publishGeneration,
  publishOwn,
  started,
} from "../../../assembly/endpoints/in-flight";
import { tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Choice, pick } from "../../../assembly/pick/pick";
import { newPickInput } from "../../../assembly/pick/pick-input";
import {
  addScorer,
  KIND_LOAD,
  KIND_SCORERS,
  KIND_TOKENS,
  newProfile,
  PICKER_TWO,
  Profile,
} from "../../../assembly/pick/profile";
import { SCORE_KV, SCORE_PREFIX, SCORE_QUEUE } from "../../../assembly/pick/scorers";
import { wholeModel } from "../../../assembly/places/range";
import { newView, SnapshotView } from "../../../assembly/snapshot/view";
import { MAX_ENDPOINTS } from "../../../protocol/constants";
import { Builder } from "../support/builder";

export const LOAD: u32 = 0;
export const TOKENS: u32 = 1;
export const EPP: u32 = 2;
export const TWO: u32 = 3;

const MILLISECOND: u64 = 1000000;
const OPEN: u32 = 4096;
let choice: Choice = changetype<Choice>(0);
const input = newPickInput();
const random = newRandom(42);
const text: usize = memory.data(65536, 8);
const published: usize = memory.data(MAX_ENDPOINTS * PUBLISHED_BYTES, 8);
/** In-flight requests, the oldest first. A request has a u64 hash, a u32 generation and an i32 number of tokens. */
const flights: usize = memory.data(65536, 8);
let view: SnapshotView = newView();
let profile: Profile = newProfile(KIND_LOAD);
let now: u64 = 1700000000000 * MILLISECOND;
let customers: u32 = 1;

/** Prepares a model on `pods` pods with some load, and the prompts of `customerCount` customers. */
export function prepare(pods: u32, kind: u32, customerCount: u32): void {
  customers = customerCount;
  const builder = new Builder();
  builder.manyPods(pods);
  const all: u32[] = [];
  for (let i: u32 = 0; i < pods; i++) {
    all.push(i);
    builder.pods[i].waiting = random.next() % 4;
    builder.pods[i].running = random.next() % 16;
    builder.pods[i].kv = random.fraction();
    builder.pods[i].kvBlocks = 8192;
    builder.pods[i].blockTokens = 16;
  }
  builder.model("m", all);
  view = builder.view();
  usePrefixes(kind == EPP ? SMALL_BLOCK_BYTES : BLOCK_BYTES);
  followTopology(view);
  followCaches(view);
  followAdapters(view);
  followUsable(view, now);
  if (kind == TOKENS) profile = newProfile(KIND_TOKENS);
  else if (kind == EPP) {
    profile = newProfile(KIND_SCORERS);
    addScorer(profile, SCORE_QUEUE, 2, 0);
    addScorer(profile, SCORE_KV, 2, 0);
    addScorer(profile, SCORE_PREFIX, 3, 0);
  } else profile = newProfile(KIND_LOAD);
  if (kind == TWO) profile.picker = PICKER_TWO;
}

/**
 * Runs `count` requests, a millisecond apart, with `blocks` blocks of 64 bytes. Half of the blocks are the customer's. Without
 * `picksToo` prompts are hashed but no endpoint is picked.
 */
export function run(count: u32, blocks: u32, picksToo: bool): u32 {
  let sum: u32 = 0;
  let open: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    now += MILLISECOND;
    const customer = random.next() % customers;
    for (let at: u32 = 0; at < blocks * 32; at += 32) {
      store<u32>(text + at, at < blocks * 16 ? customer * 0x9e3779b1 + at : random.next());
    }
    const prompt = openPrompt()!;
    feedPrompt(prompt, text, blocks * 64);
    input.now = now;
    input.model = 7;
    input.seed = 7;
    input.prompt = changetype<usize>(prompt);
    input.tokens = prompt.bytes >> 2;
    input.pieceTokens = <f32>blockBytes() / 4;
    if (picksToo) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      const entry = entryOf(choice.first);
      const tokens = choice.uncached;
      const flight = flights + (open++ % OPEN) * 16;
      store<u64>(flight, started(choice.first));
      store<u32>(flight, publishGeneration(), 8);
      store<i32>(flight, tokens, 12);
      tokensSent(entry, tokens, now);
      if (profile.kind != KIND_LOAD) insertPrefix(prompt, input.seed, entry);
      adapterSent(input.model, entry, now);
      tokensDone(entry, tokens);
      finished(load<u64>(flight), load<u32>(flight, 8));
      sum += choice.first;
    }
    closePrompt(prompt);
    if ((i & 15) == 0) {
      publishOwn(published);
      dropUpdate(updateWaiting());
    }
  }
  return sum;
}

export function toldBytes(): u32 {
  return PUBLISHED_BYTES;
}
export function memoryPages(): i32 {
  return memory.size();
}
