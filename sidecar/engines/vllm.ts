// vLLM. Names as of 0.32; older ones behind their successors.
import type { Engine } from "./engine-rows.ts";

export const vllm: Engine = {
  name: "vllm",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "vllm:num_requests_waiting", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "vllm:num_requests_running", signal: "running", combine: "sum" },
    // Each rank has a cache of its own, all of one size: the mean is how full the pod is.
    { kind: "gauge", metric: "vllm:kv_cache_usage_perc", signal: "kvUsage", combine: "mean" },
    // Before v0.10.2; for a while both were there.
    { kind: "gauge", metric: "vllm:gpu_cache_usage_perc", signal: "kvUsage", combine: "mean" },
    // One sleeping rank is enough: requests sent there would wait for it.
    {
      kind: "gauge",
      metric: "vllm:engine_sleep_state",
      signal: "awake",
      combine: "min",
      where: { label: "sleep_state", value: "awake" },
    },
    // Each rank's sample already holds the blocks of all ranks, so they are not added up.
    {
      kind: "labels",
      metric: "vllm:cache_config_info",
      numbers: { kvBlocks: "num_gpu_blocks", blockTokens: "block_size" },
    },
    {
      kind: "adapters",
      metric: "vllm:lora_requests_info",
      max: "max_lora",
      running: "running_lora_adapters",
      waiting: "waiting_lora_adapters",
    },
  ],
};
