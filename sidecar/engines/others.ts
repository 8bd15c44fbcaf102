// Servers that tell a queue and what runs, and nothing of their cache.
import type { Engine } from "./engine-rows.ts";

/** Text Generation Inference. */
export const tgi: Engine = {
  name: "tgi",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "tgi_queue_size", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "tgi_batch_current_size", signal: "running", combine: "sum" },
  ],
};

/** llama.cpp's server with --metrics. */
export const llamaCpp: Engine = {
  name: "llama.cpp",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "llamacpp:requests_deferred", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "llamacpp:requests_processing", signal: "running", combine: "sum" },
    // Until the middle of 2025.
    { kind: "gauge", metric: "llamacpp:kv_cache_usage_ratio", signal: "kvUsage", combine: "mean" },
  ],
};
