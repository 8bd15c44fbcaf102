// The loads of the simulation.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTrace } from "../../bench/sim/loads/conversations.ts";
import { LOAD_NAMES, makeLoad } from "../../bench/sim/loads.ts";
import { bodyOf, type SimRequest } from "../../bench/sim/request.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import type { Contender } from "../../bench/sim/world.ts";

/** Number of leading blocks that two prompts share. */
function common(a: SimRequest, b: SimRequest): number {
  let i = 0;
  while (i < a.prompt.hashes.length && a.prompt.hashes[i] === b.prompt.hashes[i]) i++;
  return i;
}

test("every load has its requests in the order of their arrival, and each fits into a pod", () => {
  for (const name of LOAD_NAMES) {
    const { requests, params, spans } = makeLoad(name, { seed: 3, requests: 200 });
    // Loads with phases have about as many; a load with fixed phases has as many as they last.
    if (spans.length === 0) assert.equal(requests.length, 200, name);
    else assert.ok(requests.length > 150, `${name}: ${requests.length}`);
    const { kvBlocks, blockSize, maxModelLen } = params(0);
    for (const [i, { at, prompt, outputTokens }] of requests.entries()) {
      assert.ok(at >= (requests[i - 1]?.at ?? 0), name);
      const tokens = prompt.tokens + outputTokens;
      assert.ok(tokens <= Math.min(kvBlocks * blockSize, maxModelLen), `${name}: ${tokens} tokens`);
      assert.ok(prompt.hashes.length * blockSize <= prompt.tokens, name);
    }
  }
});

test("another gateway sends a share of the requests, and figures leave them out", () => {
  const load = makeLoad("mixed", { seed: 3, requests: 400, unseen: 0.25 });
  const unseen = load.unseen?.filter((one) => one).length ?? 0;
  assert.ok(Math.abs(unseen - 100) < 30, `${unseen} of 400`);
  assert.equal(load.name, "mixed, 25 % unseen");
  const requests = new Set(load.requests);
  const seen: SimRequest[] = [];
  const contender: Contender = {
    name: "first",
    title: "picks the first pod",
    start: () => ({
      route(request) {
        seen.push(request);
        return { pod: 0 };
      },
    }),
  };
  const { answered, perPod } = simulate(load, contender, { seed: 3, warmUp: 0 });
  assert.equal(answered, 400);
  assert.equal(seen.length, 400 - unseen);
  assert.ok(seen.every((request) => requests.has(request)));
  assert.ok((perPod[0] ?? 0) < 400, "the other gateway picks other pods too");
  assert.equal(makeLoad("mixed", { seed: 3, requests: 400 }).unseen, undefined);
});

test("a load depends on its seed alone", () => {
  for (const name of ["agents", "mooncake", "pictures", "ladder", "languages"]) {
    const figures = (seed: number) =>
      makeLoad(name, { seed, requests: 60 }).requests.map(({ at, prompt }) => [at, prompt.tokens, prompt.hashes[0]]);
    assert.deepEqual(figures(5), figures(5), name);
    assert.notDeepEqual(figures(5), figures(6), name);
  }
});

test("the ladder's steps take equal times, and each has more requests than the step before", () => {
  const { requests, spans } = makeLoad("ladder", { seed: 1, requests: 4000 });
  assert.equal(spans.length, 16);
  const counts = spans.map(({ from, to }) => requests.filter(({ at }) => at >= from && at < to).length);
  assert.ok((counts[0] as number) * 15 < (counts[15] as number), String(counts));
  assert.ok((counts[3] as number) < (counts[8] as number) && (counts[8] as number) < (counts[15] as number));
  assert.equal(new Set(spans.map(({ from, to }) => Math.round(to - from))).size, 1);
  const { messages, outputTokens, prompt } = requests[0] as SimRequest;
  assert.deepEqual([messages.length, outputTokens], [2, 1000]);
  assert.ok(Math.abs(prompt.tokens - 7200) < 20, String(prompt.tokens));
});

test("the overload lasts a minute, at 1.3 instead of 0.8 times the rate", () => {
  const { requests, spans } = makeLoad("overload-return", { seed: 1, requests: 10 });
  const perSecond = (name: string) => {
    const { from, to } = spans.find((span) => span.name === name) as (typeof spans)[number];
    return [(to - from) / 1000, requests.filter(({ at }) => at >= from && at < to).length / ((to - from) / 1000)];
  };
  const [seconds, over] = perSecond("overload") as [number, number];
  const [, before] = perSecond("before") as [number, number];
  assert.equal(seconds, 60);
  assert.ok(Math.abs(over / before - 1.3 / 0.8) < 0.15, `${before}, then ${over}`);
});

test("a turn of an agent begins as the turn before, with the tools in front", () => {
  const { requests } = makeLoad("agents", { seed: 2, requests: 300 });
  const last = requests.findLast(({ messages }) => messages.length > 8) as SimRequest;
  const before = requests.find(
    ({ messages }) => messages.length === last.messages.length - 2 && messages[1] === last.messages[1],
  ) as SimRequest;
  assert.ok(common(before, last) >= Math.floor(before.prompt.tokens / 16) - 1);
  assert.ok(last.at > before.at);
  const body = JSON.parse(bodyOf(last).toString()) as { tools: unknown[]; messages: unknown[] };
  assert.equal(body.tools.length, 24);
  const other = requests.find(({ tools }) => tools === last.tools) as SimRequest;
  assert.ok(common(other, last) * 16 > 2000, "the tools are shared by all sessions of an agent");
});

test("a picture is long in the body and has a thousand tokens in the engine", () => {
  const { requests } = makeLoad("pictures", { seed: 2, requests: 200 });
  const withPicture = requests.filter((request) => bodyOf(request).length > 100_000);
  assert.ok(withPicture.length > 30 && withPicture.length < 75, String(withPicture.length));
  for (const { prompt } of withPicture) assert.ok(prompt.tokens > 4000 && prompt.tokens < 6100, String(prompt.tokens));
});

test("a line of the trace has a time, two lengths and ranges of blocks", () => {
  assert.deepEqual(parseTrace("0 1500 7 0-2\n3000 900 1 0,14-14\n"), [
    { at: 0, input: 1500, output: 7, blocks: [0, 1, 2] },
    { at: 3000, input: 900, output: 1, blocks: [0, 14] },
  ]);
});

test("requests of the trace share text where they share blocks, and their lengths are a quarter", () => {
  const { requests } = makeLoad("mooncake", { seed: 2, requests: 400 });
  const mean = requests.reduce((sum, { prompt }) => sum + prompt.tokens, 0) / requests.length;
  assert.ok(mean > 2000 && mean < 5000, String(mean));
  // All requests of the trace begin with block 0, of 128 tokens here.
  const [first, ...rest] = requests as [SimRequest, ...SimRequest[]];
  const sharing = rest.filter((other) => common(first, other) * 16 >= 112).length;
  assert.ok(sharing > rest.length * 0.9, `${sharing} of ${rest.length}`);
  assert.ok(rest.filter((other) => common(first, other) * 16 > 1000).length < rest.length * 0.5);
  assert.throws(() => makeLoad("mooncake", { seed: 1, requests: 3001 }), /3001 requests are asked for/);
});
