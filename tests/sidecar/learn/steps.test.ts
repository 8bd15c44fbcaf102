// What engine steps cost, learned from the counters of simulated engines (testkit/learn/step-world.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { StepFit } from "../../../sidecar/learn/step-fit.ts";
import { StepWindows } from "../../../sidecar/learn/step-windows.ts";
import { learnSteps, type StepWorld } from "../../../testkit/learn/step-world.ts";

const CHAT = { speeds: [1, 1, 1, 1], prompt: 1000, answer: 150 };

/** Pods by the time of a prefill token, as a multiple of a fast server's 0.05 ms. The rates of requests load them by about half. */
const WORLDS: Readonly<Record<string, StepWorld>> = {
  "a quarter of the usual time for a token": { ...CHAT, rate: 6, params: { prefillTokenMs: 0.0125 } },
  "the usual time": { ...CHAT, rate: 4, params: { prefillTokenMs: 0.05 } },
  "7 times, steps of 50 ms": { ...CHAT, rate: 1, params: { prefillTokenMs: 0.35, stepBaseMs: 50, sequenceMs: 0.35 } },
  "20 times": { ...CHAT, rate: 0.4, params: { prefillTokenMs: 1 } },
  "7 times, hardly any load": {
    ...CHAT,
    rate: 0.15,
    params: { prefillTokenMs: 0.35, stepBaseMs: 50, sequenceMs: 0.35 },
  },
  "7 times, long prompts in chunks": {
    ...CHAT,
    prompt: 4000,
    rate: 0.3,
    params: { prefillTokenMs: 0.35, stepBaseMs: 50, sequenceMs: 0.35, tokenBudget: 2048 },
  },
  "the usual time, load for 3 s of each 10 s": { ...CHAT, rate: 6, active: 0.3, params: { prefillTokenMs: 0.05 } },
  "the usual time, a scrape a second": { ...CHAT, rate: 4, scrapeMs: 1000, params: { prefillTokenMs: 0.05 } },
};

function near(learned: number | undefined, truth: number, share: number, what: string): void {
  assert.ok(learned !== undefined, `${what}: not learned, expected ${truth}`);
  assert.ok(Math.abs(Math.log(learned / truth)) <= share, `${what}: learned ${learned}, expected about ${truth}`);
}

for (const [name, world] of Object.entries(WORLDS)) {
  test(`after 60 s the prefill rate is known to 10 % and the step to 10 %: ${name}`, () => {
    const tokenMs = world.params.prefillTokenMs as number;
    for (const [i, costs] of learnSteps(world, 60).entries()) {
      near(costs.prefillRate, 1000 / tokenMs, 0.1, `prefill rate of pod ${i}`);
      near(costs.stepSeconds, (world.params.stepBaseMs ?? 10) / 1000, 0.1, `step of pod ${i}`);
    }
  });
}

test("one more sequence costs its own time and that of its context", () => {
  const [costs] = learnSteps({ ...CHAT, rate: 6, params: { sequenceMs: 0.5, contextTokenMs: 0 } }, 60);
  near(costs?.sequenceSeconds, 0.0005, 0.2, "sequence");
});

test("a pod at half speed is found within 30 s, beside three others and as the only one", () => {
  const params = { prefillTokenMs: 0.1, stepBaseMs: 20 };
  const [slow, ...others] = learnSteps({ ...CHAT, rate: 2, speeds: [0.5, 1, 1, 1], params }, 30);
  near(slow?.prefillRate, 5000, 0.2, "half speed");
  near(slow?.stepSeconds, 0.04, 0.1, "half speed");
  for (const other of others) near(other.prefillRate, 10_000, 0.15, "full speed");
  const [only] = learnSteps({ ...CHAT, rate: 2, speeds: [0.5], params }, 30);
  near(only?.prefillRate, 5000, 0.2, "the only pod");
});

test("pods that become slower are found within 60 s", () => {
  const params = { prefillTokenMs: 0.1, stepBaseMs: 20 };
  const world = { ...CHAT, rate: 1.5, speeds: [1, 1], params, halvesAt: 60 };
  for (const costs of learnSteps(world, 120)) near(costs.prefillRate, 5000, 0.25, "after 60 s at half speed");
});

test("equal pods are told equal costs, so that chance makes none of them look faster", () => {
  const learned = learnSteps({ ...CHAT, rate: 4, params: {} }, 40);
  assert.equal(new Set(learned.map(({ prefillRate }) => prefillRate)).size, 1);
});

test("prompts that wait drain at a rate that counts the step and its sequences too", () => {
  const fit = new StepFit();
  for (let i = 0; i < 40; i++) {
    const prompts = 1 + (i % 5);
    const sequences = 50 * (10 + (i % 7));
    const seconds = 50 * 0.01 + prompts * 1000 * 0.00005 + sequences * 0.0002;
    fit.add("a", {
      seconds,
      steps: 50,
      prefillTokens: 1000 * prompts,
      prompts,
      sequences,
      deviation: 0.01,
      tokensDeviation: 0,
    });
  }
  fit.solve();
  near(fit.drainRateOf("a"), 1000 / (0.01 + 13 * 0.0002 + 0.05), 0.05, "rate");
});

test("a pod without data has the costs of the other pods of its model", () => {
  const fit = new StepFit();
  for (let i = 0; i < 20; i++) {
    const prefillTokens = i % 3 === 0 ? 4000 : 0;
    const seconds = 0.5 + prefillTokens / 8000 + 0.01 * (i % 4);
    const deviation = 0.02;
    fit.add("a", {
      seconds,
      steps: 50,
      prefillTokens,
      sequences: 100 * (i % 4),
      deviation,
      prompts: 1,
      tokensDeviation: 0,
    });
  }
  fit.solve();
  near(1 / (fit.costsOf("b").prefill ?? 0), 8000, 0.05, "rate");
  assert.equal(fit.observed("b"), false);
});

test("nothing is told before there are data, and of data that do not vary", () => {
  const fit = new StepFit();
  fit.solve();
  assert.deepEqual(fit.costsOf("a"), {});
  for (let i = 0; i < 5; i++)
    fit.add("a", {
      seconds: 1,
      steps: 50,
      prefillTokens: 0,
      sequences: 50,
      deviation: 0.1,
      prompts: 1,
      tokensDeviation: 0,
    });
  fit.solve();
  assert.equal(fit.costsOf("a").prefill, undefined);
});

test("observations that are no numbers change nothing", () => {
  const fit = new StepFit();
  const good = {
    seconds: 1,
    steps: 50,
    prefillTokens: 1000,
    sequences: 50,
    deviation: 0.1,
    prompts: 1,
    tokensDeviation: 0,
  };
  for (const broken of [
    { seconds: Number.NaN },
    { steps: Number.POSITIVE_INFINITY },
    { deviation: 0 },
    { seconds: -1 },
  ])
    fit.add("a", { ...good, ...broken });
  fit.solve();
  assert.deepEqual(fit.costsOf("a"), {});
});

test("a counter that falls, or a new start time, ends a window without an observation", () => {
  const sample = (at: number, steps: number, startedAt = 1) => ({
    at,
    requests: 3,
    counters: {
      steps,
      promptTokens: 10 * steps,
      cachedTokens: 0,
      promptRequests: steps,
      generatedTokens: steps,
      startedAt,
    },
  });
  const run = (samples: ReturnType<typeof sample>[]) => {
    const windows = new StepWindows();
    return samples.flatMap((each) => windows.add(each)).length;
  };
  const whole = [0, 100, 200, 300, 400, 500, 600, 700].map((at) => sample(at, at / 10));
  assert.equal(run(whole), 1);
  assert.equal(run(whole.map((each, i) => (i < 4 ? each : sample(each.at, 1 + i)))), 0);
  assert.equal(run(whole.map((each, i) => (i < 4 ? each : sample(each.at, each.at / 10, 2)))), 0);
});

test("prefill time that an engine counts itself is an observation at any moment", () => {
  const windows = new StepWindows();
  const at = (ms: number, prefillTokens: number) =>
    windows.add({ at: ms, requests: 5, counters: { prefillTokens, prefillSeconds: prefillTokens / 4000 } });
  at(0, 0);
  at(1000, 3000);
  const found = at(3500, 9000);
  assert.deepEqual(
    found.map(({ seconds, prefillTokens }) => [seconds, prefillTokens]),
    [[1.5, 6000]],
  );
});
