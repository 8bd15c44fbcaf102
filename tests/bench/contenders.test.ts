// The models of other routers' rules in the simulation.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contenderOf, MODELS } from "../../bench/sim/contenders.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import { type Draft, makeRequest } from "../../bench/sim/request.ts";
import { dynamo } from "../../bench/sim/rivals/dynamo.ts";
import { eppAuto } from "../../bench/sim/rivals/epp.ts";
import { exactState } from "../../bench/sim/rivals/exact-state.ts";
import { eppOptimized, llmdOptimized } from "../../bench/sim/rivals/optimized-baseline.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import type { Contender } from "../../bench/sim/world.ts";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import { tokenizerOf } from "../../simulator/engine/tokenizer.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";

const FOUR = tokenizerOf("bytes", 4);

/** A request whose prompt has some `tokens` tokens; prompts of one letter share their beginnings. */
function ask(letter: string, tokens: number) {
  const draft: Draft = { at: 0, messages: [{ role: "user", content: letter.repeat(tokens * 4) }], outputTokens: 10 };
  return makeRequest(draft, FOUR);
}

function start(contender: Contender, params: readonly Partial<PodParams>[]) {
  const clock = new SimClock();
  const pods = params.map((patch) => new Engine({ ...defaultParams(), ...patch }, clock, () => 0.5));
  const router = contender.start({
    pods,
    addresses: pods.map((_, i) => `10.0.0.${i}:8000`),
    adapters: [],
    meanPromptTokens: 100,
    tokensPerByte: 0.25,
    now: () => clock.now(),
    every: () => {},
    isOver: () => false,
    after: (ms, fn) => void clock.after(ms, fn),
    scrape: () => 0,
    seed: 1,
  });
  const submit = (pod: number, { prompt }: ReturnType<typeof ask>) =>
    pods[pod]?.submit({ promptTokens: prompt.tokens, hashes: prompt.hashes, outputTokens: 10 });
  return { clock, router, submit };
}

test("every contender answers every request of a small load, and counts none at the end", () => {
  const load = makeLoad("sessions", { seed: 7, requests: 120 });
  const ours = ["load-1", "load-2", "tokens-1", "tokens-2", "untold-2", "true-1", "true-2", "tokens-2x2-mute"];
  for (const contender of [...Object.values(MODELS), ...ours.map(contenderOf)]) {
    assert.equal(simulate(load, contender, { seed: 7 }).answered, 120, contender.name);
  }
});

test("the endpoint picker's own tuning forgets prompts that a pod's cache cannot hold", () => {
  // Two blocks of 64 bytes and an LRU of two: "b" drives out "a".
  const { router } = start(eppAuto, [{ kvBlocks: 2 }, { kvBlocks: 2 }]);
  const first = router.route(ask("a", 20)).pod;
  for (let i = 0; i < 20; i++) assert.equal(router.route(ask("a", 20)).pod, first, "it sticks");
  const pods = new Set(Array.from({ length: 40 }, (_, i) => router.route(ask(i % 2 ? "a" : "b", 20)).pod));
  assert.equal(pods.size, 2);
});

test("the optimized baseline of the endpoint picker sticks to the pod with the prompt, however loaded", () => {
  const { router } = start(eppOptimized, [{}, {}]);
  const picks = Array.from({ length: 400 }, () => router.route(ask("a", 2000)).pod);
  const strayed = picks.findIndex((pod) => pod !== picks[0]);
  assert.ok(strayed > 20, `request ${strayed} strayed; one in a hundred explores, and half of these find the same pod`);
  // From then on both pods have the prompt, and the less loaded one gets all requests until both have as many.
  const least = Math.min(...[0, 1].map((pod) => picks.filter((one) => one === pod).length));
  assert.ok(least > 150, `${least} of 400`);
});

test("llm-d's router leaves the pod with the prompt when another answers 18 s earlier", () => {
  const { router } = start(llmdOptimized, [{}, {}]);
  // Each prompt shares 0.9 with the first, so some 1,000 of 10,000 tokens are new. 18 s are 286,704 tokens.
  const prompts = Array.from({ length: 400 }, (_, i) => {
    const content = "a".repeat(36_000) + String(i).padStart(4, "0").repeat(1000);
    return makeRequest({ at: 0, messages: [{ role: "user", content }], outputTokens: 10 }, FOUR);
  });
  const picks = prompts.map((prompt) => router.route(prompt).pod);
  const left = picks.findIndex((pod) => pod !== picks[0]);
  assert.ok(left > 250 && left < 320, `left at request ${left}`);
});

test("Dynamo's cost is prefill blocks plus active blocks, less what is cached", () => {
  const { router, submit, clock } = start(dynamo, [{}, {}]);
  const a = ask("a", 1600);
  submit(1, a);
  clock.drain();
  const first = router.route(a);
  assert.equal(first.pod, 1, "the pod has the prompt");
  const other = router.route(ask("b", 1600));
  assert.equal(other.pod, 0, "pod 1 has 100 active blocks");
  // Pod 0 now has 100 blocks to prefill and 100 active. The prompt costs 100 + 200 there, and 100 active blocks on pod 1.
  assert.equal(router.route(a).pod, 1);
  other.firstByte?.();
  other.end?.();
  first.firstByte?.();
  first.end?.();
});

test("the exact state prefers the shorter rest of a step, the cached prompt and the faster pod", () => {
  const idle = start(exactState, [{ speed: 0.5 }, {}]);
  for (let i = 0; i < 5; i++) assert.equal(idle.router.route(ask("a", 1000)).pod, 1, "the faster pod");
  const cached = start(exactState, [{}, {}]);
  cached.submit(0, ask("a", 1000));
  cached.clock.drain();
  for (let i = 0; i < 5; i++) assert.equal(cached.router.route(ask("a", 1000)).pod, 0, "the cached prompt");
  cached.submit(0, ask("b", 8000));
  assert.equal(cached.router.route(ask("a", 1000)).pod, 1, "8,000 tokens ahead cost more than 1,000 of its own");
});
