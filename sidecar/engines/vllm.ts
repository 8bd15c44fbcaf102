// The table of vLLM, with the metric names of version 0.32. An older name follows the name that replaced it.
import type { CounterName, CounterRow, Engine } from "./engine-rows.ts";

const counter = (counter: CounterName, metric: string): CounterRow => ({ kind: "counter", metric, counter });

// vLLM counts a prompt's tokens, cached ones included, when the prompt's first token leaves the engine. A step is counted if it
// generated a token; a step that computes only a part of a long prompt is not. Prefill time and computed tokens of a request are
// counted when the request ends. (vllm/v1/metrics/stats.py, vllm/v1/metrics/loggers.py)
const counters: readonly CounterRow[] = [
  counter("promptTokens", "vllm:prompt_tokens_total"),
  counter("promptRequests", "vllm:time_to_first_token_seconds_count"),
  counter("cachedTokens", "vllm:prompt_tokens_cached_total"),
  counter("hitTokens", "vllm:prefix_cache_hits_total"),
  counter("externalHitTokens", "vllm:external_prefix_cache_hits_total"),
  counter("steps", "vllm:iteration_tokens_total_count"),
  counter("generatedTokens", "vllm:generation_tokens_total"),
  counter("interTokens", "vllm:inter_token_latency_seconds_count"),
  counter("interTokenSeconds", "vllm:inter_token_latency_seconds_sum"),
  // Versions before v0.11 have these names.
  counter("interTokens", "vllm:time_per_output_token_seconds_count"),
  counter("interTokenSeconds", "vllm:time_per_output_token_seconds_sum"),
  counter("prefillTokens", "vllm:request_prefill_kv_computed_tokens_sum"),
  counter("prefillSeconds", "vllm:request_prefill_time_seconds_sum"),
  counter("prefillRequests", "vllm:request_prefill_kv_computed_tokens_count"),
  counter("startedAt", "process_start_time_seconds"),
];

export const vllm: Engine = {
  name: "vllm",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "vllm:num_requests_waiting", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "vllm:num_requests_running", signal: "running", combine: "sum" },
    // Each rank has its own cache, and all caches have the same size. So the mean says how full the pod is.
    { kind: "gauge", metric: "vllm:kv_cache_usage_perc", signal: "kvUsage", combine: "mean" },
    // Versions before v0.10.2 have this name. Some versions have both names.
    { kind: "gauge", metric: "vllm:gpu_cache_usage_perc", signal: "kvUsage", combine: "mean" },
    // One sleeping rank makes the pod asleep: requests sent to that rank would wait.
    {
      kind: "gauge",
      metric: "vllm:engine_sleep_state",
      signal: "awake",
      combine: "min",
      where: { label: "sleep_state", value: "awake" },
    },
    // Each rank's sample counts the blocks of all ranks, so samples are not added up.
    {
      kind: "labels",
      metric: "vllm:cache_config_info",
      numbers: {
        kvBlocks: "num_gpu_blocks",
        blockTokens: "block_size",
        offloadGiB: "kv_offloading_size",
        cacheBytes: "kv_cache_memory_bytes",
      },
    },
    {
      kind: "adapters",
      metric: "vllm:lora_requests_info",
      max: "max_lora",
      running: "running_lora_adapters",
      waiting: "waiting_lora_adapters",
    },
    ...counters,
  ],
};
