import { usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix } from "../../../assembly/endpoints/cache/prefix-updates";
import {
  blockBytes,
  closePrompt,
  feedPrompt,
  openPrompt,
  SMALL_BLOCK_BYTES,
} from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import { finished, publishGeneration, publishOwn, started } from "../../../assembly/endpoints/in-flight";
import { followScrapes } from "../../../assembly/endpoints/unseen";
import { tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { Profile } from "../../../assembly/pick/profile";
import {
  SCORE_ACTIVE,
  SCORE_KV,
  SCORE_LATENCY,
  SCORE_LOAD,
  SCORE_LORA,
  SCORE_PREFIX,
  SCORE_QUEUE,
  SCORE_RUNNING,
  SCORE_TOKENS,
  SCORERS,
  scoreCandidates,
  scorerByName,
  scorerName,
  scorerNames,
} from "../../../assembly/pick/scorers";
import { UNKNOWN } from "../../../protocol/constants";
import { candidates, input, lookAt, near, one, opened, pods, score } from "../support/picks";

usePrefixes(SMALL_BLOCK_BYTES);
const text: usize = memory.data(65536, 8);
const published: usize = memory.data(4096, 8);

function penalising(scorer: u32): Profile {
  const profile = one(scorer);
  profile.penalise = true;
  profile.staleAfter = 2000;
  return profile;
}

describe("queue-scorer and running-requests-size-scorer", () => {
  test("are (highest - x) / (highest - lowest) over the candidates", () => {
    const builder = pods(3);
    builder.pods[0].waiting = 10;
    builder.pods[1].waiting = 4;
    builder.pods[2].waiting = 2;
    builder.pods[0].running = 0;
    builder.pods[1].running = 30;
    builder.pods[2].running = 40;
    const view = opened(builder);
    near(score(view, one(SCORE_QUEUE), 0), 0);
    near(score(view, one(SCORE_QUEUE), 1), 0.75);
    near(score(view, one(SCORE_QUEUE), 2), 1);
    near(score(view, one(SCORE_RUNNING), 0), 1);
    near(score(view, one(SCORE_RUNNING), 1), 0.25);
    near(score(view, one(SCORE_RUNNING), 2), 0);
  });

  test("are 1 when all are equal", () => {
    const builder = pods(3);
    for (let i = 0; i < 3; i++) builder.pods[i].waiting = 7;
    const view = opened(builder);
    for (let i: u32 = 0; i < 3; i++) near(score(view, one(SCORE_QUEUE), i), 1);
  });

  test("compare candidates only", () => {
    const builder = pods(3);
    builder.pods[0].waiting = 1000;
    builder.pods[0].flags = 0;
    builder.pods[1].waiting = 4;
    builder.pods[2].waiting = 2;
    const view = opened(builder);
    near(score(view, one(SCORE_QUEUE), 0), 0);
    near(score(view, one(SCORE_QUEUE), 1), 1);
    expect(candidates.count).toBe(2);
  });

  test("are dropped for all when one pod does not report, or that pod counts as the worst with penalise", () => {
    const builder = pods(3);
    builder.pods[0].waiting = UNKNOWN;
    builder.pods[1].waiting = 4;
    builder.pods[2].waiting = 2;
    const view = opened(builder);
    for (let i: u32 = 0; i < 3; i++) near(score(view, one(SCORE_QUEUE), i), 0);
    const profile = penalising(SCORE_QUEUE);
    near(score(view, profile, 0), 0);
    near(score(view, profile, 1), 0);
    near(score(view, profile, 2), 1);
  });
});

describe("kv-cache-utilization-scorer", () => {
  test("is 1 - usage", () => {
    const builder = pods(2);
    builder.pods[0].kv = 0.25;
    builder.pods[1].kv = 1;
    const view = opened(builder);
    near(score(view, one(SCORE_KV), 0), 0.75);
    near(score(view, one(SCORE_KV), 1), 0);
  });

  test("of an old scrape is the worst with penalise", () => {
    const builder = pods(3);
    builder.pods[0].age = 1500;
    builder.pods[1].kv = 0.5;
    builder.pods[2].kv = 0.75;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    near(score(view, profile, 0), 1);
    profile.penalise = true;
    profile.staleAfter = 2000;
    input.snapshotAge = 500;
    near(score(view, profile, 0), 1);
    input.snapshotAge = 501;
    near(score(view, profile, 0), 0);
    near(score(view, profile, 1), 0.5);
    input.snapshotAge = 0;
  });
});

describe("prefix-cache-scorer", () => {
  test("is the share of the prompt's blocks of 64 bytes that match, 0 for a prompt without a block", () => {
    const view = opened(pods(2));
    for (let i = 0; i < 4096; i += 4) store<u32>(text + i, i * 0x9e3779b1);
    const first = openPrompt()!;
    feedPrompt(first, text, 10 * 64);
    insertPrefix(first, 9, entryOf(1));
    closePrompt(first);
    const second = openPrompt()!;
    feedPrompt(second, text, 16 * 64 + 63);
    input.prompt = changetype<usize>(second);
    input.seed = 9;
    near(score(view, one(SCORE_PREFIX), 0), 0);
    near(score(view, one(SCORE_PREFIX), 1), 10.0 / 16.0);
    closePrompt(second);
    const short = openPrompt()!;
    feedPrompt(short, text, 63);
    input.prompt = changetype<usize>(short);
    near(score(view, one(SCORE_PREFIX), 1), 0);
    closePrompt(short);
    input.prompt = 0;
  });
});

describe("lora-affinity-scorer", () => {
  test("prefers active, then room, then waiting adapters", () => {
    const builder = pods(4);
    for (let i = 0; i < 4; i++) builder.pods[i].maxLora = 2;
    for (let i = 0; i < 3; i++) {
      const adapter = builder.model(`z${i}`, [0, 1, 2, 3]);
      adapter.kind = 1;
      adapter.base = 0;
    }
    // The adapter z0 runs on pod 0 and waits on pod 2. The other adapters fill pods 2 and 3.
    builder.models[1].states = [1, 0, 2, 0];
    builder.models[2].states = [1, 0, 1, 1];
    builder.models[3].states = [0, 1, 0, 1];
    const view = opened(builder);
    near(score(view, one(SCORE_LORA), 0, 1), 1);
    near(score(view, one(SCORE_LORA), 1, 1), 0.8);
    near(score(view, one(SCORE_LORA), 2, 1), 0.6);
    near(score(view, one(SCORE_LORA), 3, 1), 0);
  });
});

describe("scorers of what this Envoy sent", () => {
  test("active-request-scorer is (highest - n) / highest", () => {
    const view = opened(pods(3));
    for (let i: u32 = 0; i < 3; i++) near(score(view, one(SCORE_ACTIVE), i), 1);
    const held: u64[] = [started(0), started(0), started(0), started(0), started(1)];
    publishOwn(published);
    near(score(view, one(SCORE_ACTIVE), 0), 0);
    near(score(view, one(SCORE_ACTIVE), 1), 0.75);
    near(score(view, one(SCORE_ACTIVE), 2), 1);
    for (let i = 0; i < held.length; i++) finished(held[i], publishGeneration() - 1);
  });

  test("token-load-scorer is 1 - tokens / limit", () => {
    const view = opened(pods(2));
    tokensSent(entryOf(1), 1000, 1);
    near(score(view, one(SCORE_TOKENS, 4000), 0), 1);
    near(score(view, one(SCORE_TOKENS, 4000), 1), 0.75);
    near(score(view, one(SCORE_TOKENS, 500), 1), 0);
    tokensDone(entryOf(1), 1000);
  });

  test("load-aware-scorer is half of the share of the limit that is left", () => {
    const builder = pods(3);
    builder.pods[1].waiting = 32;
    builder.pods[2].waiting = 1000;
    const view = opened(builder);
    near(score(view, one(SCORE_LOAD, 128), 0), 0.5);
    near(score(view, one(SCORE_LOAD, 128), 1), 0.375);
    near(score(view, one(SCORE_LOAD, 128), 2), 0);
  });

  test("latency-scorer prefers the shortest predicted wait", () => {
    const view = opened(pods(3));
    input.tokens = 2000;
    input.pieceTokens = <f32>blockBytes() / 4;
    // The prompt has 2,100 uncached tokens on each pod. 8,000 tokens wait on pod 0, and 2,000 on pod 1.
    tokensSent(entryOf(0), 8000, 1);
    tokensSent(entryOf(1), 2000, 1);
    input.now = 1;
    // The counts are published. Otherwise each other worker would be assumed to have sent as many tokens.
    publishOwn(published);
    near(score(view, one(SCORE_LATENCY), 0), 0);
    near(score(view, one(SCORE_LATENCY), 1), 0.75);
    near(score(view, one(SCORE_LATENCY), 2), 1);
    tokensDone(entryOf(0), 8000);
    tokensDone(entryOf(1), 2000);
  });

  test("latency-scorer counts others' requests where all pods report theirs; a pod that does not counts as the worst with penalise", () => {
    const builder = pods(3);
    builder.pods[0].running = 40;
    builder.pods[1].running = 20;
    let view = opened(builder);
    followScrapes(view);
    input.tokens = 2000;
    input.pieceTokens = <f32>blockBytes() / 4;
    near(score(view, one(SCORE_LATENCY), 0), 0);
    near(score(view, one(SCORE_LATENCY), 1), 0.5);
    near(score(view, one(SCORE_LATENCY), 2), 1);
    builder.pods[2].running = UNKNOWN;
    view = opened(builder);
    for (let i = 0; i < 3; i++) near(score(view, one(SCORE_LATENCY), i), 1);
    const profile = penalising(SCORE_LATENCY);
    near(score(view, profile, 0), 0);
    near(score(view, profile, 1), 1);
    near(score(view, profile, 2), 0);
  });
});

describe("every scorer", () => {
  test("has a name of its own, by which it is found", () => {
    const names = scorerNames();
    expect(names.length).toBe(SCORERS + 1);
    for (let type: u32 = 0; type < SCORERS; type++) {
      expect(scorerName(type).length > 0).toBe(true, `scorer ${type} has a name`);
      expect(scorerByName(scorerName(type))).toBe(type);
      expect(names.indexOf(scorerName(type))).toBe(type);
    }
    expect(scorerByName("predicted-latency-scorer")).toBe(SCORE_LATENCY);
    expect(scorerByName("")).toBe(-1);
    expect(scorerByName("max-score-picker")).toBe(-1);
  });

  test("has a signal and a formula: it gives an endpoint that is best in everything more than 0, and no score above 1", () => {
    const builder = pods(2);
    const adapter = builder.model("z", [0, 1]);
    adapter.kind = 1;
    adapter.base = 0;
    adapter.states = [1, 0];
    builder.pods[1].waiting = 9;
    builder.pods[1].running = 9;
    builder.pods[1].kv = 0.9;
    const view = opened(builder);
    const prompt = openPrompt()!;
    feedPrompt(prompt, text, 10 * 64);
    insertPrefix(prompt, 9, entryOf(0));
    input.prompt = changetype<usize>(prompt);
    input.seed = 9;
    for (let type: u32 = 0; type < SCORERS; type++) {
      const profile = one(type, 100);
      lookAt(view, 1, profile);
      candidates.home = candidates.link(0);
      expect(scoreCandidates(candidates, profile, input, 0)).toBe(true, `scorer ${type} has a signal`);
      expect(candidates.score(0) > 0).toBe(true, `scorer ${type} has a formula`);
      for (let i: u32 = 0; i < 2; i++) expect(candidates.score(i) >= 0 && candidates.score(i) <= 1).toBe(true);
    }
    closePrompt(prompt);
    input.prompt = 0;
  });

  test("without a case is dropped, whatever the candidates report", () => {
    const view = opened(pods(2));
    const profile = one(SCORERS);
    lookAt(view, 0, profile);
    expect(scoreCandidates(candidates, profile, input, 0)).toBe(false);
  });
});
