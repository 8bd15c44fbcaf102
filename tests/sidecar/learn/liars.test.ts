// A server that is broken or lies: its counters must change nothing but what is told of itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { textHash } from "../../../protocol/traffic.ts";
import type { Counters } from "../../../sidecar/engines/reading.ts";
import { FirstByteFit } from "../../../sidecar/learn/first-byte-fit.ts";
import { Learner } from "../../../sidecar/learn/learner.ts";
import { createLog } from "../../../sidecar/log.ts";
import { NO_SUMS, readingOf } from "../../../testkit/learn/token-world.ts";
import { Random } from "../../../testkit/random.ts";

const MODEL = "m";
const BYTES = [2400, 150, 100, 350, 0];
type Lie = (counters: Required<Counters>, at: number) => Partial<Counters>;

interface Learned {
  /** Learned tokens of a prompt that has 1,000; undefined: nothing is learned. */
  tokens: number | undefined;
  /** What is told of a server that says the truth. */
  rate: number | undefined;
  step: number | undefined;
  blocks: number | undefined;
}

/** Lets a learner see servers of which the first one lies. Each prefills 20,000 tokens a second, and each step takes 10 ms. */
function learnBeside(lie: Lie, { servers = 4, seconds = 60 } = {}): Learned {
  const random = new Random(1);
  const learner = new Learner({ hashOf: textHash, log: createLog("silent") });
  const truths = Array.from({ length: servers }, () => ({ requests: 0, steps: 0, generated: 0 }));
  const server = (i: number) => ({ address: `${i}`, models: [MODEL], pools: [] });
  const toldOf = (i: number, at: number) => learner.costsOf(server(i), readingOf({}), {}, at);
  let all = 0;
  for (let at = 0; at <= seconds * 1000; at += 100) {
    for (const [i, truth] of truths.entries()) {
      const requests = random.below(2);
      const steps = requests > 0 ? 5 : 10;
      all += requests;
      truth.requests += requests;
      truth.steps += steps;
      truth.generated += steps * (2 + random.below(3));
      const counters = {
        promptTokens: 1000 * truth.requests,
        promptRequests: truth.requests,
        cachedTokens: 0,
        hitTokens: 0,
        externalHitTokens: 0,
        steps: truth.steps,
        generatedTokens: truth.generated,
        interTokens: truth.generated,
        interTokenSeconds: at / 1000,
        prefillTokens: 1000 * truth.requests,
        prefillSeconds: 0.05 * truth.requests,
        prefillRequests: truth.requests,
        startedAt: 1,
      };
      const shown = i === 0 ? { ...counters, ...lie(counters, at) } : counters;
      learner.scraped(server(i), { ...readingOf(shown), running: 3 }, at + i);
    }
    const sums = { ...NO_SUMS, requests: all, bytes: BYTES.map((count) => count * all) };
    learner.reported("e", new Map([[textHash(MODEL), sums]]), at + 10);
    learner.tokenizerOf(MODEL, {}, at + 20);
    for (const i of truths.keys()) toldOf(i, at + 20);
  }
  const at = seconds * 1000 + 20;
  const tokenizer = learner.tokenizerOf(MODEL, {}, at);
  const tokens =
    tokenizer &&
    BYTES.reduce((sum, count, i) => sum + count * (tokenizer.tokensPerByte[i] ?? 0), tokenizer.tokensPerRequest);
  const { prefillRate: rate, stepSeconds: step, kvBlocks: blocks } = toldOf(1, at);
  return { tokens, rate, step, blocks };
}

const raised =
  (names: readonly (keyof Counters)[], factor: number): Lie =>
  (counters) =>
    Object.fromEntries(names.map((name) => [name, counters[name] * factor]));

const TOKENS: Readonly<Record<string, Lie>> = {
  "has 1,000 times the tokens": raised(["promptTokens", "prefillTokens"], 1000),
  "has 10 times the tokens": raised(["promptTokens", "prefillTokens"], 10),
  "has no tokens": raised(["promptTokens", "prefillTokens"], 0),
  "has 1,000 times the requests": raised(["promptRequests"], 1000),
  "has 1,000 times the tokens and requests": raised(["promptTokens", "promptRequests"], 1000),
  "counts beyond what a number holds": raised(["promptTokens", "promptRequests"], 1e300),
  "jumps to 1e308 once": (_, at) => (at === 20_000 ? { promptTokens: 1e308 } : {}),
  "is infinite for 5 s": (_, at) => (at >= 20_000 && at < 25_000 ? { promptTokens: Number.POSITIVE_INFINITY } : {}),
  "falls all the time": (_, at) => ({ promptTokens: 1e9 - at }),
};
for (const [name, lie] of Object.entries(TOKENS))
  test(`a model's tokens are right or not learned beside a server that ${name}`, () => {
    const { tokens = 1000 } = learnBeside(lie);
    assert.ok(Math.abs(tokens / 1000 - 1) <= 0.05, `${tokens} of 1,000 tokens`);
  });

const STEPS: Readonly<Record<string, Lie>> = {
  "has 1,000 times the requests": raised(["promptRequests"], 1000),
  "has 1,000 times the steps": raised(["steps"], 1000),
  "has 1,000 times the tokens": raised(["promptTokens", "prefillTokens"], 1000),
  "prefills in no time": raised(["prefillSeconds"], 1e-12),
};
for (const [name, lie] of Object.entries(STEPS))
  test(`what is told of other servers is right or nothing beside a server that ${name}`, () => {
    const { rate = 20_000, step = 0.01 } = learnBeside(lie);
    assert.ok(rate > 13_000 && rate < 26_000, `${rate} tokens a second`);
    assert.ok(step > 0.007 && step < 0.015, `steps of ${step} s`);
  });

for (const servers of [2, 4])
  test(`one of ${servers} servers that claims to find every prompt in its cache makes no cache seem larger`, () => {
    assert.equal(learnBeside(raised(["cachedTokens"], 0), { servers, seconds: 300 }).blocks, 100);
    const lie: Lie = ({ promptTokens }) => ({ cachedTokens: promptTokens * 1000 });
    assert.equal(learnBeside(lie, { servers, seconds: 300 }).blocks, 100);
  });

test("sums of first bytes that no requests can have are left out", () => {
  const fit = new FirstByteFit();
  for (const sums of [
    [1, 1e30, 1e30, 1e36, 1e36],
    [1, 10, Number.NaN, 100, 1],
    [1, 10, Number.POSITIVE_INFINITY, 100, 1],
  ])
    fit.add(sums);
  for (let i = 0; i < 600; i++) {
    const tokens = 1000 * (1 + (i % 9));
    fit.add([1, tokens, tokens / 2000, tokens ** 2, tokens ** 2 / 2000]);
  }
  assert.ok(Math.abs((fit.rate ?? 0) / 2000 - 1) < 0.05, `${fit.rate}`);
});

test("a server that lists a known model under ever new names loses nothing, and old names are forgotten", () => {
  const learner = new Learner({ hashOf: textHash, log: createLog("silent") });
  const honest = { address: "a", models: [MODEL], pools: [] };
  for (let i = 0; i <= 300; i++) {
    const counters = { promptTokens: 1000 * i, promptRequests: i, cachedTokens: 0, startedAt: 1 };
    learner.scraped(honest, readingOf(counters), i * 100);
    const sums = { ...NO_SUMS, requests: i, bytes: BYTES.map((count) => count * i) };
    learner.reported("e", new Map([[textHash(MODEL), sums]]), i * 100 + 10);
    learner.tokenizerOf(MODEL, {}, i * 100 + 20);
  }
  const learned = learner.tokenizerOf(MODEL, {}, 30_100);
  const page = readingOf({});
  learner.scraped({ address: "b", models: ["a0", MODEL], pools: [] }, page, 30_200);
  assert.notEqual(learner.tokenizerOf("a0", {}, 30_300), undefined);
  for (let i = 1; i < 5000; i++) learner.scraped({ address: "b", models: [`a${i}`, MODEL], pools: [] }, page, 30_300);
  assert.deepEqual(learner.tokenizerOf(MODEL, {}, 30_100), learned);
  assert.equal(learner.tokenizerOf("a0", {}, 30_400), undefined);
});
