// A pod whose metrics come from Ray's agent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES } from "../../sidecar/engines/index.ts";
import { SimClock } from "../../simulator/clock.ts";
import { startPod } from "../../simulator/pod.ts";
import { sample } from "./exposition-lines.ts";

async function rayPod() {
  const clock = new SimClock(1_000_000);
  const params = { rayReportMs: 10_000, kvBlocks: 500 };
  const pod = await startPod({ name: "replica-1", models: [{ id: "m" }], params, clock });
  return { clock, pod };
}

const families = (page: string) =>
  [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);

test("before the first report the page is empty, and only the first page after a report has gauges", async () => {
  const { clock, pod } = await rayPod();
  try {
    assert.equal(pod.metrics(), "");
    pod.engine.submit({ promptTokens: 100, hashes: [], outputTokens: 5000 });
    clock.advance(10_000);
    const first = pod.metrics();
    assert.equal(sample(first, "ray_vllm_num_requests_running{"), 1);
    assert.equal(sample(first, "ray_vllm_prompt_tokens_total{"), 100);
    assert.match(first, /^ray_vllm_num_requests_running\{.*ReplicaId="replica-1".*engine="0",model_name="m"\} 1\.0$/m);
    const second = pod.metrics();
    assert.ok(families(second).length > 0);
    assert.ok(
      families(second).every((family) => !family.endsWith(" gauge")),
      "the scrape removed all gauges",
    );
    assert.equal(sample(second, "ray_vllm_prompt_tokens_total{"), 100, "counters stay");
    clock.advance(10_000);
    assert.equal(sample(pod.metrics(), "ray_vllm_num_requests_running{"), 1, "the next report has gauges again");
  } finally {
    await pod.close();
  }
});

test("between reports nothing changes, and what never happened has no sample", async () => {
  const { clock, pod } = await rayPod();
  try {
    clock.advance(10_000);
    const idle = pod.metrics();
    assert.ok(
      families(idle).every((family) => family.endsWith(" gauge")),
      "no counter of an idle pod has risen",
    );
    pod.engine.submit({ promptTokens: 100, hashes: [], outputTokens: 5 });
    clock.advance(9_000);
    assert.equal(pod.metrics(), "");
    clock.advance(1_000);
    assert.equal(sample(pod.metrics(), "ray_vllm_generation_tokens_total{"), 5);
  } finally {
    await pod.close();
  }
});

test("the size of the cache is reported once", async () => {
  const { clock, pod } = await rayPod();
  try {
    clock.advance(10_000);
    assert.match(pod.metrics(), /^ray_vllm_cache_config_info\{.*num_gpu_blocks="500"/m);
    clock.advance(10_000);
    assert.doesNotMatch(pod.metrics(), /cache_config_info/);
  } finally {
    await pod.close();
  }
});

test("the names are those that the sidecar reads", async () => {
  const { clock, pod } = await rayPod();
  try {
    pod.engine.submit({ promptTokens: 100, hashes: [], outputTokens: 5 });
    clock.advance(10_000);
    const page = pod.metrics();
    const rows = ENGINES.get("ray")?.rows ?? [];
    for (const metric of [
      "ray_vllm_num_requests_running",
      "ray_vllm_kv_cache_usage_perc",
      "ray_vllm_cache_config_info",
    ]) {
      assert.ok(
        rows.some((row) => row.metric === metric),
        metric,
      );
      assert.ok(page.includes(`\n${metric}{`), metric);
    }
  } finally {
    await pod.close();
  }
});
