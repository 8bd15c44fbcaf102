// The pod's HTTP side with other tokenizers: /tokenize, usage and counters agree.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodParams } from "../../simulator/params.ts";
import { type Pod, startPod } from "../../simulator/pod.ts";
import { sample } from "./exposition-lines.ts";

const TEXT = "Der Fluss trägt das alte Boot 12345 langsam an der Brücke vorbei. ".repeat(30);

async function withPod(params: Partial<PodParams>, use: (pod: Pod) => Promise<void>): Promise<void> {
  const pod = await startPod({ name: "p", models: [{ id: "m" }], params: { speed: 100, ...params } });
  try {
    await use(pod);
  } finally {
    await pod.close();
  }
}

async function post(pod: Pod, path: string, body: object) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${pod.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, json: (await response.json()) as unknown };
}

test("with every tokenizer usage, /tokenize and the counters tell the same number of tokens", async () => {
  const found: number[] = [];
  for (const params of [
    { tokenBytes: 1.5 },
    { tokenBytes: 4 },
    { tokenBytes: 8.6 },
    { tokenizer: "o200k_base" },
    { tokenizer: "cl100k_base" },
  ] as const) {
    await withPod(params, async (pod) => {
      const messages = [{ role: "user", content: TEXT }];
      const { json } = await post(pod, "/v1/chat/completions", { messages, max_tokens: 1 });
      const tokens = (json as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
      const told = await post(pod, "/tokenize", { messages });
      assert.equal(told.status, 200);
      const { count, tokens: ids, max_model_len } = told.json as { count: number; tokens: []; max_model_len: number };
      assert.equal(count, tokens);
      assert.equal(ids.length, tokens);
      assert.equal(max_model_len, pod.params.maxModelLen);
      assert.equal(sample(pod.metrics(), "vllm:prompt_tokens_total{"), tokens);
      found.push(tokens);
    });
  }
  assert.equal(new Set(found).size, found.length, String(found));
});

test("a prompt that comes again is found in blocks of the pod's own tokens", async () => {
  await withPod({ tokenizer: "o200k_base", promptTokensDetails: true }, async (pod) => {
    const ask = async () => (await post(pod, "/v1/completions", { prompt: TEXT, max_tokens: 1 })).json;
    await ask();
    const { usage } = (await ask()) as {
      usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
    };
    assert.equal(usage.prompt_tokens_details.cached_tokens, Math.floor((usage.prompt_tokens - 1) / 16) * 16);
  });
});

test("/tokenize refuses an unknown model and a body without a prompt", async () => {
  await withPod({}, async (pod) => {
    assert.equal((await post(pod, "/tokenize", { model: "other", prompt: "x" })).status, 404);
    assert.equal((await post(pod, "/tokenize", { model: "m" })).status, 400);
    const { json } = await post(pod, "/tokenize", { prompt: "abcdef" });
    assert.equal((json as { count: number }).count, 2);
  });
});

test("a wrong tokenizer is refused with the names that exist, and a running pod keeps its tokenizer", async () => {
  await assert.rejects(
    withPod({ tokenizer: "gpt2" as never }, async () => {}),
    /tokenizer: "gpt2" is not allowed, expected one of bytes, o200k_base, cl100k_base/,
  );
  await assert.rejects(
    withPod({ tokenBytes: 0.5 }, async () => {}),
    /tokenBytes/,
  );
  await withPod({}, async (pod) => {
    assert.throws(() => pod.set({ tokenBytes: 2 }), /fixed when the pod starts/);
    assert.throws(() => pod.set({ tokenizer: "o200k_base" }), /fixed when the pod starts/);
  });
});
