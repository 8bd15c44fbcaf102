// The table of vLLM, with the metric names of version 0.32. An older name follows the name that replaced it.
import type { Engine } from "./engine-rows.ts";

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
