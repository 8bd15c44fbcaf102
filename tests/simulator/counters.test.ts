// The counters of the simulator keep the relations between vLLM's counters, which the captures show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import { Exposition } from "../../simulator/metrics/exposition.ts";
import { HttpMetrics } from "../../simulator/metrics/http-metrics.ts";
import { defaultParams, type PodParams } from "../../simulator/params.ts";
import { capture } from "../../testkit/captures.ts";

/** Returns the sum of the samples of one rank whose name is `name`, and whose labels have `label`. */
function total(text: string, rank: number, name: string, label = ""): number {
  let sum = 0;
  let found = false;
  for (const line of text.split("\n")) {
    if (!line.startsWith(`vllm:${name}{`) || !line.includes(`engine="${rank}"`) || !line.includes(label)) continue;
    found = true;
    sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  assert.ok(found, name);
  return sum;
}

/** The relations between counters that the learner of the sidecar relies on. */
function checkRelations(text: string, rank: number): void {
  const of = (name: string, label?: string) => total(text, rank, name, label);
  const computed = of("prompt_tokens_by_source_total", 'source="local_compute"');
  const local = of("prompt_tokens_by_source_total", 'source="local_cache_hit"');
  const outside = of("prompt_tokens_by_source_total", 'source="external_kv_transfer"');
  const generated = of("generation_tokens_total");
  const first = of("time_to_first_token_seconds_count");
  assert.equal(of("prompt_tokens_total"), computed + local + outside);
  assert.equal(of("prompt_tokens_cached_total"), local + outside);
  assert.equal(of("iteration_tokens_total_sum"), computed + generated, "an iteration counts computed prompts whole");
  assert.equal(of("inter_token_latency_seconds_count"), generated - first, "each token after the first has a latency");
  assert.ok(of("iteration_tokens_total_count") <= computed + generated);
  assert.equal(of("prompt_tokens_cached_by_source_total", 'source="device"'), of("prefix_cache_hits_total"));
  assert.equal(of("prompt_tokens_cached_by_source_total", 'source="host"'), of("external_prefix_cache_hits_total"));
  // Requests that wait for their first token have been looked up, and are not in the prompt tokens yet.
  assert.ok(of("prefix_cache_queries_total") >= of("prompt_tokens_total"));
  const finished = of("request_success_total");
  for (const name of [
    "request_prompt_tokens",
    "request_generation_tokens",
    "request_prefill_time_seconds",
    "request_prefill_kv_computed_tokens",
    "request_time_per_output_token_seconds",
    "request_decode_time_seconds",
    "request_queue_time_seconds",
    "e2e_request_latency_seconds",
  ]) {
    assert.equal(of(`${name}_count`), finished, name);
  }
  assert.ok(of("request_prefill_kv_computed_tokens_sum") <= computed);
}

test("the captures of vLLM keep the relations", () => {
  for (const name of ["load", "lora_load"]) checkRelations(capture(name).toString(), 0);
  for (const rank of [0, 1]) checkRelations(capture("dp2_load").toString(), rank);
});

function simulated(patch: Partial<PodParams>) {
  const clock = new SimClock();
  const params = { ...defaultParams(), ...patch };
  const engine = new Engine(params, clock, () => 0.5);
  const source = { engines: [engine], params, modelName: "m", startedAt: 0, http: new HttpMetrics() };
  const exposition = new Exposition(source);
  return { clock, engine, scrape: () => exposition.render() };
}

const hashes = (customer: number, blocks: number) => Array.from({ length: blocks }, (_, i) => customer * 10_000 + i);

test("the simulator keeps the relations in each moment of a load with chunks, hits, preemptions and offloading", () => {
  const { clock, engine, scrape } = simulated({ tokenBudget: 256, kvBlocks: 160, slots: 8, offloadBlocks: 2000 });
  for (let i = 0; i < 120; i++) {
    const blocks = 5 + ((i * 7) % 40);
    const outputTokens = 1 + ((i * 13) % 90);
    engine.submit({ promptTokens: blocks * 16 + (i % 16), hashes: hashes(i % 5, blocks), outputTokens });
    clock.advance(37);
    checkRelations(scrape(), 0);
  }
  clock.drain();
  checkRelations(scrape(), 0);
  const { stats } = engine;
  assert.equal(stats.prefixQueries, stats.promptTokens, "all requests have their first token");
  assert.ok(stats.preemptions > 0 && stats.prefixHits > 0 && stats.outsideHits > 0);
});

test("a prompt in chunks is counted when its first token comes, and its steps are not iterations", () => {
  const { clock, engine, scrape } = simulated({ tokenBudget: 100, stepBaseMs: 10, prefillTokenMs: 0, sequenceMs: 0 });
  engine.submit({ promptTokens: 450, hashes: [], outputTokens: 3 });
  clock.advance(45);
  assert.equal(
    total(scrape(), 0, "prefix_cache_queries_total"),
    450,
    "the lookup is counted at the end of the first step",
  );
  assert.equal(total(scrape(), 0, "prompt_tokens_total"), 0);
  assert.equal(total(scrape(), 0, "iteration_tokens_total_count"), 0);
  clock.drain();
  assert.equal(total(scrape(), 0, "prompt_tokens_total"), 450);
  assert.equal(total(scrape(), 0, "iteration_tokens_total_count"), 3, "seven steps, of which three made a token");
  assert.equal(total(scrape(), 0, "iteration_tokens_total_sum"), 453);
  assert.equal(engine.stats.steps, 7);
});

test("what a step changes is seen only when the step has ended", () => {
  const { clock, engine, scrape } = simulated({ stepBaseMs: 10 });
  engine.submit({ promptTokens: 20, hashes: [1], outputTokens: 2 });
  clock.advance(5);
  engine.stats.version++;
  assert.equal(total(scrape(), 0, "prefix_cache_queries_total"), 0);
  assert.equal(total(scrape(), 0, "num_requests_running"), 0);
  clock.advance(10);
  assert.equal(total(scrape(), 0, "prefix_cache_queries_total"), 20);
  assert.equal(total(scrape(), 0, "num_requests_running"), 1);
});

test("a second level of the cache is told in vllm:cache_config_info, in GiB beside the cache's own GiB", () => {
  const label = (patch: Partial<PodParams>) => /kv_offloading_size="([^"]*)"/.exec(simulated(patch).scrape())?.[1];
  assert.equal(label({}), "None");
  assert.equal(label({ kvBlocks: 1000, offloadBlocks: 4000 }), "4.0");
  assert.equal(label({ kvBlocks: 1000, offloadBlocks: 500 }), "0.5");
  assert.match(simulated({}).scrape(), /kv_cache_memory_bytes="1073741824"/);
  assert.match(simulated({ kvMemoryBytes: false }).scrape(), /kv_cache_memory_bytes="None"/);
});
