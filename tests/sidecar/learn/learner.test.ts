// The learner as a whole: pins, log lines, models that share a server, and the real sidecar with learned values in its snapshots.
import assert from "node:assert/strict";
import { test } from "node:test";
import { textHash } from "../../../protocol/traffic.ts";
import { pinsOf } from "../../../sidecar/config/learn.ts";
import { parseConfig } from "../../../sidecar/config/load.ts";
import { Learner } from "../../../sidecar/learn/learner.ts";
import type { Log } from "../../../sidecar/log.ts";
import { NO_SUMS, readingOf } from "../../../testkit/learn/token-world.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { startScene } from "../../../testkit/sidecar/scene.ts";
import { until } from "../../../testkit/until.ts";

function logged(): { log: Log; lines: Array<[level: string, message: string, fields: Record<string, unknown>]> } {
  const lines: Array<[string, string, Record<string, unknown>]> = [];
  const write = (level: string) => (fields: Record<string, unknown>, message: string) =>
    lines.push([level, message, fields]);
  return { log: { info: write("info"), warn: write("warn") } as unknown as Log, lines };
}

/** Lets a learner see 60 s of requests to the models, of which each has 3 bytes a token. */
function teach(learner: Learner, models: readonly string[], seconds = 60): void {
  let requests = 0;
  for (let at = 0; at < seconds * 1000; at += 100) {
    requests += 1 + ((at / 100) % 3);
    const counters = { promptTokens: 1000 * requests, promptRequests: requests, cachedTokens: 0, startedAt: 1 };
    learner.scraped({ address: "a", models, pools: [] }, readingOf(counters), at);
    const sums = { ...NO_SUMS, requests, bytes: [2400 * requests, 150 * requests, 100 * requests, 350 * requests, 0] };
    learner.reported("e", new Map([[textHash(models[0] as string), sums]]), at + 10);
    for (const model of models) learner.tokenizerOf(model, {}, at + 20);
  }
}

const tokensOf = (learner: Learner, model: string, pins = {}) => {
  const { tokensPerRequest = 0, tokensPerByte = [] } = learner.tokenizerOf(model, pins, 60_000) ?? {};
  const at = (i: number) => tokensPerByte[i] ?? 0;
  return tokensPerRequest + 2400 * at(0) + 150 * at(1) + 100 * at(2) + 350 * at(3);
};

test("what is learned of a model is logged once", () => {
  const { log, lines } = logged();
  const learner = new Learner({ hashOf: textHash, log });
  teach(learner, ["m"]);
  assert.ok(Math.abs(tokensOf(learner, "m") / 1000 - 1) < 0.02, `${tokensOf(learner, "m")}`);
  assert.deepEqual(
    lines.map(([level, message, { model }]) => [level, message, model]),
    [["info", "tokens learned", "m"]],
  );
});

test("a pin replaces what is learned; a pin that is wrong by more than 2 times is logged once", () => {
  const { log, lines } = logged();
  const learner = new Learner({ hashOf: textHash, log });
  teach(learner, ["m"]);
  lines.length = 0;
  for (let i = 0; i < 3; i++) {
    assert.equal(tokensOf(learner, "m", { bytesPerToken: 2.5 }), 1200);
    assert.equal(tokensOf(learner, "m", { bytesPerToken: 10 }), 300);
  }
  assert.deepEqual(
    lines.map(([level, , { value, pinned }]) => [level, value, pinned]),
    [["warn", "bytesPerToken", 10]],
  );
});

test("pins of a server need no reading but for the cache, and nothing else is told", () => {
  const learner = new Learner({ hashOf: textHash, log: logged().log });
  const pins = { prefillRate: 5000, stepSeconds: 0.02, sequenceSeconds: 0.001, cacheTokens: 3200 };
  const server = { address: "a", models: ["m"], pools: [] };
  const { cacheTokens: _, ...told } = pins;
  assert.deepEqual(learner.costsOf(server, null, pins, 0), told);
  assert.deepEqual(learner.costsOf(server, readingOf({}), pins, 0), { ...told, kvBlocks: 200 });
  assert.deepEqual(learner.costsOf(server, readingOf({}), {}, 0), { kvBlocks: 100 });
});

test("a cache that is larger outside the GPU than inside counts with the larger part", () => {
  const learner = new Learner({ hashOf: textHash, log: logged().log });
  const server = { address: "a", models: ["m"], pools: [] };
  const blocks = (offloadGiB: number | null, cacheBytes: number | null) =>
    learner.costsOf(server, { ...readingOf({}), offloadGiB, cacheBytes }, {}, 0).kvBlocks;
  assert.equal(blocks(40, 4 * 2 ** 30), 1000);
  assert.equal(blocks(2, 4 * 2 ** 30), 100);
  assert.equal(blocks(40, null), 100);
  assert.equal(blocks(null, 4 * 2 ** 30), 100);
});

test("two names of one server's model are learned as one", () => {
  const learner = new Learner({ hashOf: textHash, log: logged().log });
  teach(learner, ["m", "n"]);
  for (const model of ["m", "n"]) assert.ok(Math.abs(tokensOf(learner, model) / 1000 - 1) < 0.02, model);
  assert.equal(learner.tokenizerOf("other", {}, 0), undefined);
});

test("a report that lacks a model it had before is a new beginning, and does no harm", () => {
  const learner = new Learner({ hashOf: textHash, log: logged().log });
  teach(learner, ["m"], 30);
  learner.reported("e", new Map(), 30_000);
  teach(learner, ["m"], 30);
  assert.ok(Math.abs(tokensOf(learner, "m") / 1000 - 1) < 0.05, `${tokensOf(learner, "m")}`);
});

const config = (learn: object) =>
  parseConfig(
    { endpoints: ["http://127.0.0.1:1"], push: { targets: ["http://127.0.0.1:2"] }, learn },
    { PILOTFISH_SECRET: "0123456789abcdef" },
  ).learn;

test("of several pins the first that applies and has the value counts", () => {
  const learn = config({
    pins: [
      { models: ["m"], prefillRate: 100 },
      { pools: ["default/p"], stepMs: 20, prefillRate: 200 },
      { bytesPerToken: 3 },
    ],
  });
  const some = (models: string[], pools: string[]) => {
    const { bytesPerToken, prefillRate, stepSeconds } = pinsOf(learn, models, pools);
    return [bytesPerToken, prefillRate, stepSeconds];
  };
  assert.deepEqual(some(["m"], ["default/p"]), [3, 100, 0.02]);
  assert.deepEqual(some(["n"], ["default/p"]), [3, 200, 0.02]);
  assert.deepEqual(some(["n"], []), [3, undefined, undefined]);
  assert.throws(
    () => config({ pins: [{ prefillRate: 1 }] }),
    /learn\.pins\[0\]\.prefillRate: got 1, expected a number/,
  );
});

test("the sidecar's snapshots have learned tokens, and pins win over them", async (t) => {
  const { pod, filters } = await startScene(t, 1);
  const [filter] = filters;
  let requests = 0;
  pod.metrics = (request, response) => {
    requests += 5;
    const sums = { ...NO_SUMS, requests, bytes: [2400 * requests, 150 * requests, 100 * requests, 350 * requests, 0] };
    filter.sums.set(textHash("m"), sums);
    const page =
      "vllm:num_requests_waiting 0\nvllm:num_requests_running 1\nprocess_start_time_seconds 1\n" +
      `vllm:prompt_tokens_total ${1000 * requests}\nvllm:time_to_first_token_seconds_count ${requests}\n`;
    text(page)(request, response);
  };
  const sidecar = await quickSidecar(t, {
    endpoints: [pod.url],
    targets: [filter.url],
    more: { learn: { pins: [{ prefillRate: 1234, stepMs: 8 }] } },
  });
  const tokens = () => filter.stored?.tokenizers?.find(({ model }) => model === "m");
  await until("learned tokens", () => (tokens()?.tokensPerByte[0] ?? 0) > 0.27);
  const endpoint = endpointOf(filter.stored, pod.address);
  assert.equal(endpoint?.prefillRate, 1234);
  assert.ok(Math.abs((endpoint?.stepSeconds ?? 0) - 0.008) < 1e-6);
  const metrics = await (await fetch(`${sidecar.url}/metrics`)).text();
  assert.match(metrics, /pilotfish_endpoint_prefill_rate\{endpoint="[^"]+"\} 1234\n/);
  assert.match(metrics, /pilotfish_model_tokens_per_byte\{model="m",bytes="lower"\} 0\.\d+\n/);
  const status = (await (await fetch(`${sidecar.url}/status`)).json()) as {
    pods: { costs: { prefillRate: number } }[];
    models: { model: string }[];
  };
  assert.deepEqual([status.pods[0]?.costs.prefillRate, status.models[0]?.model], [1234, "m"]);
});
