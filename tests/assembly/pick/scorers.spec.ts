import { newRandom } from "../../../assembly/base/random";
import { followAdapters } from "../../../assembly/endpoints/adapters";
import { followCaches, usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { insertPrefix } from "../../../assembly/endpoints/cache/prefix-updates";
import { closePrompt, feedPrompt, openPrompt, SMALL_BLOCK_BYTES } from "../../../assembly/endpoints/cache/prompt";
import { entryOf } from "../../../assembly/endpoints/entries";
import {
  finished,
  followScrapes,
  followTopology,
  publishGeneration,
  publishOwn,
  started,
} from "../../../assembly/endpoints/in-flight";
import { tokensDone, tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { beginCandidates, CANDIDATES_BYTES, Candidates, findCandidates } from "../../../assembly/pick/candidates";
import { Choice, costCandidates, pick } from "../../../assembly/pick/pick";
import { newPickInput } from "../../../assembly/pick/pick-input";
import {
  addScorer,
  KIND_SCORERS,
  newProfile,
  PICKER_BEST,
  PICKER_RANDOM,
  PICKER_TWO,
  PICKER_WEIGHTED,
  Profile,
  pickerNames,
} from "../../../assembly/pick/profile";
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
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

usePrefixes(SMALL_BLOCK_BYTES);
const random = newRandom(5);
const candidates = changetype<Candidates>(memory.data(CANDIDATES_BYTES, 8));
let choice: Choice = changetype<Choice>(0);
const input = newPickInput();
const text: usize = memory.data(65536, 8);
const told: usize = memory.data(4096, 8);
let subnet = 0;

/** `count` idle pods with addresses of their own; model 0 is on all of them. */
function pods(count: i32): Builder {
  subnet++;
  const builder = new Builder();
  const all: u32[] = [];
  for (let i = 0; i < count; i++) {
    builder.pod(`10.${100 + subnet}.${100 + i / 100}.${100 + (i % 100)}:8000`);
    all.push(i);
  }
  builder.model("m", all);
  return builder;
}

function opened(builder: Builder): SnapshotView {
  const view = builder.view();
  followTopology(view);
  followCaches(view);
  followAdapters(view);
  return view;
}

function one(scorer: u32, parameter: f64 = 0): Profile {
  const profile = newProfile(KIND_SCORERS);
  addScorer(profile, scorer, 1, parameter);
  return profile;
}

function penalising(scorer: u32): Profile {
  const profile = one(scorer);
  profile.penalise = true;
  profile.staleAfter = 2000;
  return profile;
}

/** Score of candidate `i` of model `model`: costs are best - score. */
function score(view: SnapshotView, profile: Profile, i: u32, model: u32 = 0): f64 {
  beginCandidates(candidates, view, model, wholeModel(view, model), input.now);
  findCandidates(candidates, profile, input, random);
  costCandidates(candidates, profile, input);
  return profile.best - candidates.cost(i);
}

function near(x: f64, expected: f64): void {
  expect(Math.abs(x - expected) < 1e-6).toBe(true, `${x} is ${expected}`);
}

describe("queue-scorer and running-requests-size-scorer", () => {
  test("are (most - x) / (most - least) over the candidates", () => {
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

  test("look at candidates only", () => {
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

  test("are dropped for all when one does not tell, or that one is the worst where that is penalised", () => {
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

  test("of an old scrape is the worst where that is penalised", () => {
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
  test("is matched of all blocks of 64 bytes, 0 for a prompt without one", () => {
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
    // z0: running on pod 0, waiting on pod 2; pods 2 and 3 are full of the others
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
  test("active-request-scorer is (most - n) / most", () => {
    const view = opened(pods(3));
    for (let i: u32 = 0; i < 3; i++) near(score(view, one(SCORE_ACTIVE), i), 1);
    const held: u64[] = [started(0), started(0), started(0), started(0), started(1)];
    publishOwn(told);
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

  test("load-aware-scorer is half of what is left of the limit", () => {
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
    // 2,100 tokens of its own everywhere; 8,000 wait on pod 0, 2,000 on pod 1
    tokensSent(entryOf(0), 8000, 1);
    tokensSent(entryOf(1), 2000, 1);
    input.now = 1;
    // Told, or the others would be taken to have sent as much.
    publishOwn(told);
    near(score(view, one(SCORE_LATENCY), 0), 0);
    near(score(view, one(SCORE_LATENCY), 1), 0.75);
    near(score(view, one(SCORE_LATENCY), 2), 1);
    tokensDone(entryOf(0), 8000);
    tokensDone(entryOf(1), 2000);
  });

  test("latency-scorer counts others' requests where all tell theirs, or takes one that does not for the worst", () => {
    const builder = pods(3);
    builder.pods[0].running = 40;
    builder.pods[1].running = 20;
    let view = opened(builder);
    followScrapes(view);
    input.tokens = 2000;
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
      beginCandidates(candidates, view, 1, wholeModel(view, 1), input.now);
      findCandidates(candidates, profile, input, random);
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
    beginCandidates(candidates, view, 0, wholeModel(view, 0), input.now);
    findCandidates(candidates, profile, input, random);
    expect(scoreCandidates(candidates, profile, input, 0)).toBe(false);
  });
});

describe("every picker", () => {
  test("has a name, by whose index it is known", () => {
    const names = pickerNames();
    expect(names.indexOf("max-score-picker")).toBe(PICKER_BEST);
    expect(names.indexOf("weighted-random-picker")).toBe(PICKER_WEIGHTED);
    expect(names.indexOf("random-picker")).toBe(PICKER_RANDOM);
    expect(names.indexOf("p2c-picker")).toBe(PICKER_TWO);
    expect(names.includes("")).toBe(false);
  });
});

describe("weights and pickers", () => {
  test("the endpoint picker's default is 2 queue + 2 kv + 3 prefix, the highest wins", () => {
    const builder = pods(3);
    builder.pods[0].waiting = 10;
    builder.pods[1].waiting = 5;
    builder.pods[0].kv = 0.1;
    builder.pods[1].kv = 0.5;
    builder.pods[2].kv = 0.9;
    const view = opened(builder);
    const profile = newProfile(KIND_SCORERS);
    addScorer(profile, SCORE_QUEUE, 2, 0);
    addScorer(profile, SCORE_KV, 2, 0);
    addScorer(profile, SCORE_PREFIX, 3, 0);
    near(score(view, profile, 0), 2 * 0 + 2 * 0.9);
    near(score(view, profile, 1), 2 * 0.5 + 2 * 0.5);
    near(score(view, profile, 2), 2 * 1 + 2 * 0.1);
    for (let i = 0; i < 100; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      expect(choice.first).toBe(2);
      expect(choice.second).toBe(1);
      expect(choice.third).toBe(0);
    }
  });

  test("equal scores are decided at random", () => {
    const view = opened(pods(4));
    const counts = new StaticArray<i32>(4);
    const profile = one(SCORE_QUEUE);
    for (let i = 0; i < 4000; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
    }
    // 1,000 each, standard deviation 27
    for (let i = 0; i < 4; i++) expect(abs(counts[i] - 1000)).toBeLessThan(160);
  });

  test("weighted-random-picker picks in proportion to the score, and never a score of nothing before another", () => {
    const builder = pods(3);
    builder.pods[0].kv = 0.75;
    builder.pods[1].kv = 0.25;
    builder.pods[2].kv = 1;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_WEIGHTED;
    const counts = new StaticArray<i32>(3);
    for (let i = 0; i < 4000; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
      expect(choice.third).toBe(2);
    }
    // 0.25 to 0.75
    expect(abs(counts[0] - 1000)).toBeLessThan(160);
    expect(counts[2]).toBe(0);
  });

  test("random-picker does not look at scores", () => {
    const builder = pods(3);
    builder.pods[0].kv = 1;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_RANDOM;
    const counts = new StaticArray<i32>(3);
    for (let i = 0; i < 3000; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
    }
    for (let i = 0; i < 3; i++) expect(abs(counts[i] - 1000)).toBeLessThan(160);
  });

  test("p2c-picker takes the better of two", () => {
    const builder = pods(4);
    for (let i = 0; i < 4; i++) builder.pods[i].kv = <f32>i / 4;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_TWO;
    const counts = new StaticArray<i32>(4);
    for (let i = 0; i < 6000; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
      expect(choice.first).toBeLessThan(choice.second);
    }
    // Of six pairs the best pod is in three, the next in two of the rest, the next in one.
    expect(abs(counts[0] - 3000)).toBeLessThan(240);
    expect(abs(counts[1] - 2000)).toBeLessThan(240);
    expect(abs(counts[2] - 1000)).toBeLessThan(240);
    expect(counts[3]).toBe(0);
  });

  test("p2c-picker finds the only usable ones of a large pool", () => {
    const builder = pods(200);
    for (let i = 0; i < 200; i++) if (i != 77 && i != 78) builder.pods[i].flags = 0;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_TWO;
    for (let i = 0; i < 50; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      expect(choice.count).toBe(2);
      expect(choice.first == 77 || choice.first == 78).toBe(true);
    }
  });
});
