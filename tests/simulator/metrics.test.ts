// The metrics of a pod equal captures of a real vLLM, line by line, except for the values.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pythonFloat, sampleValue } from "../../simulator/metrics/numbers.ts";
import type { PodParams } from "../../simulator/params.ts";
import { type Pod, type PodOptions, startPod } from "../../simulator/pod.ts";
import { capture } from "../../testkit/captures.ts";
import { sample, shapeOf, valuesOf } from "./exposition-lines.ts";

/** The cache size of the captured server. */
const CAPTURED: Partial<PodParams> = { blockSize: 128, kvBlocks: 32_768, maxModelLen: 2048, speed: 100 };

async function withPod(options: Partial<PodOptions>, use: (pod: Pod) => Promise<void>): Promise<void> {
  const pod = await startPod({ name: "p", models: [{ id: "tiny-llama" }], params: CAPTURED, ...options });
  try {
    await use(pod);
  } finally {
    await pod.close();
  }
}

async function chat(pod: Pod, body: object): Promise<number> {
  const response = await fetch(`${pod.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 3, ...body }),
  });
  await response.text();
  return response.status;
}

async function scrape(pod: Pod): Promise<string> {
  const response = await fetch(`${pod.url}/metrics`);
  assert.equal(response.headers.get("content-type"), "text/plain; version=1.0.0; charset=utf-8");
  return response.text();
}

const PYTHON_VALUE = /^(\d{1,6}\.\d+|\d(\.\d+)?e[+-]\d\d|\+Inf)$/;

test("every value of the captures is parsed and written back unchanged", () => {
  for (const name of ["idle", "load", "lora_load", "dp2_load"]) {
    for (const value of valuesOf(capture(name).toString())) assert.equal(sampleValue(Number(value)), value);
  }
});

test("numbers have the format of prometheus_client", () => {
  assert.equal(sampleValue(0), "0.0");
  assert.equal(sampleValue(0.00000975), "9.75e-06");
  assert.equal(sampleValue(999_999), "999999.0");
  assert.equal(sampleValue(1_000_000), "1e+06");
  assert.equal(sampleValue(1_234_567.5), "1.2345675e+06");
  assert.equal(sampleValue(Number.POSITIVE_INFINITY), "+Inf");
  assert.equal(sampleValue(Number.NaN), "NaN");
  assert.equal(pythonFloat(1e16), "1e+16");
  assert.equal(pythonFloat(7680), "7680.0");
});

test("an idle pod's metrics equal those of an idle vLLM line by line, except for the values", async () => {
  await withPod({}, async (pod) => {
    const text = await scrape(pod);
    assert.deepEqual(shapeOf(text), shapeOf(capture("idle").toString()));
    for (const value of valuesOf(text)) assert.match(value, PYTHON_VALUE);
  });
});

test("a used pod's metrics equal those of a used vLLM line by line, except for the values", async () => {
  await withPod({}, async (pod) => {
    assert.equal(await chat(pod, {}), 200);
    assert.equal(await chat(pod, { model: "unknown" }), 404);
    await (await fetch(`${pod.url}/v1/models`)).text();
    const text = await scrape(pod);
    assert.deepEqual(shapeOf(text), shapeOf(capture("load").toString()));
    for (const value of valuesOf(text)) assert.match(value, PYTHON_VALUE);
  });
});

test("each of two data-parallel ranks has its series, in the order of a real pair", async () => {
  await withPod({ models: [{ id: "tiny-dp" }], engines: 2 }, async (pod) => {
    await Promise.all([chat(pod, {}), chat(pod, {}), chat(pod, {}), chat(pod, {})]);
    const text = await scrape(pod);
    const real = capture("dp2_load").toString();
    assert.deepEqual(shapeOf(text), shapeOf(real));
    for (const rank of [0, 1]) {
      const finished = `vllm:request_success_total{engine="${rank}",finished_reason="length",`;
      assert.equal(sample(text, finished), 2);
    }
  });
});

test("adapters add vllm:lora_requests_info, whose old series keep their time", async () => {
  const models = [{ id: "tiny-lora", adapters: ["sql-lora", "tweet-lora"] }];
  await withPod({ models, params: { ...CAPTURED, maxLoras: 2 } }, async (pod) => {
    await chat(pod, { model: "sql-lora" });
    await chat(pod, { model: "tweet-lora" });
    const text = await scrape(pod);
    const isSeries = (line: string) => line.startsWith("vllm:lora_requests_info");
    const others = (lines: string[]) => lines.filter((line) => !isSeries(line));
    assert.deepEqual(others(shapeOf(text)), others(shapeOf(capture("lora_load").toString())));
    const name = (adapters: string) =>
      `vllm:lora_requests_info{max_lora="2",running_lora_adapters="${adapters}",waiting_lora_adapters="${adapters}"}`;
    const real = shapeOf(capture("lora_load").toString()).filter(isSeries);
    assert.ok(real.includes(name("tweet-lora")));
    const series = shapeOf(text).filter(isSeries);
    assert.deepEqual(series.sort(), [name(""), name("sql-lora"), name("tweet-lora")].sort());
    const latest = sample(text, name(""));
    assert.ok(latest >= sample(text, name("tweet-lora")));
    assert.ok(sample(text, name("tweet-lora")) > sample(text, name("sql-lora")));
  });
});

test("counters and histograms count the served requests", async () => {
  await withPod({}, async (pod) => {
    for (let i = 0; i < 3; i++) await chat(pod, { max_tokens: 5 });
    await fetch(`${pod.url}/health`);
    const text = await scrape(pod);
    const labels = '{engine="0",model_name="tiny-llama"}';
    assert.equal(sample(text, `vllm:generation_tokens_total${labels}`), 15);
    assert.equal(sample(text, `vllm:time_to_first_token_seconds_count${labels}`), 3);
    assert.equal(sample(text, `vllm:inter_token_latency_seconds_count${labels}`), 12);
    assert.equal(sample(text, `vllm:request_generation_tokens_sum${labels}`), 15);
    assert.equal(sample(text, `vllm:request_params_max_tokens_sum${labels}`), 15);
    assert.equal(sample(text, `vllm:request_generation_tokens_bucket{engine="0",le="2.0",`), 0);
    assert.equal(sample(text, `vllm:request_generation_tokens_bucket{engine="0",le="5.0",`), 3);
    assert.equal(sample(text, `vllm:request_generation_tokens_bucket{engine="0",le="+Inf",`), 3);
    assert.equal(sample(text, 'http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"}'), 3);
    assert.doesNotMatch(text, /handler="\/health"/);
    assert.equal(sample(text, `vllm:num_requests_running${labels}`), 0);
  });
});

test("a model name with quotes and line breaks cannot break the exposition", async () => {
  await withPod({ models: [{ id: 'a"b\\c\nd' }] }, async (pod) => {
    const text = await scrape(pod);
    assert.equal(sample(text, 'vllm:num_requests_waiting{engine="0",model_name="a\\"b\\\\c\\nd"}'), 0);
    assert.equal(shapeOf(text).length, shapeOf(capture("idle").toString()).length);
  });
});

test("the next scrape of an idle pod shows extra traffic, sleep and a changed cache", async () => {
  await withPod({}, async (pod) => {
    await scrape(pod);
    pod.set({ extraWaiting: 7, extraRunning: 3, asleep: true, kvBlocks: 100 });
    const text = await scrape(pod);
    assert.equal(sample(text, "vllm:num_requests_waiting{"), 7);
    assert.equal(sample(text, "vllm:num_requests_running{"), 3);
    assert.equal(sample(text, 'vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny-llama",reason="cap'), 7);
    assert.equal(sample(text, 'vllm:engine_sleep_state{engine="0",model_name="tiny-llama",sleep_state="awake"}'), 0);
    assert.match(text, /num_gpu_blocks="100"/);
    pod.set({ extraWaiting: 8 });
    assert.equal(sample(await scrape(pod), "vllm:num_requests_waiting{"), 8);
  });
});
