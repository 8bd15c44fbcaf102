// Signals that a server's page lacks from time to time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES, enginesFor } from "../../../sidecar/engines/index.ts";
import { LastSignals } from "../../../sidecar/scrape/last-signals.ts";
import { compileTrie } from "../../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../../sidecar/scrape/metrics-parser.ts";
import { startFilter } from "../../../testkit/sidecar/fake-filter.ts";
import { startPod } from "../../../testkit/sidecar/fake-pod.ts";
import { text } from "../../../testkit/sidecar/listen.ts";
import { endpointOf, quickSidecar } from "../../../testkit/sidecar/quick-sidecar.ts";
import { until } from "../../../testkit/until.ts";

const parser = new MetricsParser(compileTrie(enginesFor("auto", ENGINES)));
const read = (body: string) => parser.parse(Buffer.from(body));

const FULL =
  "ray_vllm_num_requests_waiting 7\nray_vllm_num_requests_running 5\nray_vllm_kv_cache_usage_perc 0.5\n" +
  'ray_vllm_cache_config_info{num_gpu_blocks="100",block_size="16"} 1\n';

test("a page without a known name keeps the last numbers, with the time at which they were read", () => {
  const signals = new LastSignals();
  signals.join(read(FULL), 1000);
  const { reading, at } = signals.join(read("python_info 1\n"), 9000);
  const { engine, waiting, running, kvUsage, kvBlocks } = reading;
  assert.deepEqual([engine, waiting, running, kvUsage, kvBlocks, at], ["ray", 7, 5, 0.5, 100, 1000]);
});

test("a page that lacks one of the names keeps that one; the reading is as old as its oldest number", () => {
  const signals = new LastSignals();
  signals.join(read(FULL), 1000);
  const first = signals.join(read("ray_vllm_num_requests_waiting 9\n"), 2000);
  assert.deepEqual([first.reading.waiting, first.reading.running, first.at], [9, 5, 1000]);
  const second = signals.join(read("ray_vllm_num_requests_running 6\nray_vllm_kv_cache_usage_perc 0\n"), 3000);
  assert.deepEqual([second.reading.waiting, second.reading.running, second.at], [9, 6, 2000]);
});

test("a page with counters alone keeps the gauges", () => {
  const signals = new LastSignals();
  signals.join(read(FULL), 1000);
  const { reading } = signals.join(read("ray_vllm_prompt_tokens_total 12\n"), 2000);
  assert.deepEqual([reading.engine, reading.waiting, reading.counters.promptTokens], ["ray", 7, 12]);
});

test("a number that no page has had for a minute is unknown", () => {
  const signals = new LastSignals();
  signals.join(read(FULL), 1000);
  assert.equal(signals.join(read("up 1\n"), 61_000).reading.waiting, 7);
  const { reading, at } = signals.join(read("up 1\n"), 61_001);
  assert.deepEqual([reading.engine, reading.waiting, reading.kvBlocks, at], [null, null, null, 61_001]);
});

test("a server that started anew keeps nothing of the time before", () => {
  const signals = new LastSignals();
  signals.join(read("vllm:num_requests_waiting 7\nprocess_start_time_seconds 5\n"), 1000);
  const { reading } = signals.join(read("vllm:num_requests_running 1\nprocess_start_time_seconds 9\n"), 2000);
  assert.deepEqual([reading.waiting, reading.running], [null, 1]);
});

test("a server that shows its gauges on every fifth page stays known in every snapshot", async (t) => {
  const pod = await startPod();
  const filter = await startFilter();
  t.after(() => pod.close());
  t.after(() => filter.close());
  let pages = 0;
  pod.metrics = (request, response) => text(pages++ % 5 === 0 ? FULL : "up 1\n")(request, response);
  await quickSidecar(t, { endpoints: [pod.url], targets: [filter.url] });
  await until("ten pages", () => pages > 10 && endpointOf(filter.stored, pod.address));
  for (let i = 0; i < 10; i++) {
    const before = filter.answers.length;
    await until("a push", () => filter.answers.length > before);
    const endpoint = endpointOf(filter.stored, pod.address);
    assert.deepEqual([endpoint?.ready, endpoint?.waiting, endpoint?.running], [true, 7, 5]);
  }
});
