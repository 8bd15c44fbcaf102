// The table of llama.cpp's server with --metrics.
import type { Engine } from "./engine-rows.ts";

export const llamaCpp: Engine = {
  name: "llama.cpp",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "llamacpp:requests_deferred", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "llamacpp:requests_processing", signal: "running", combine: "sum" },
    // Servers up to the middle of 2025 have this metric.
    { kind: "gauge", metric: "llamacpp:kv_cache_usage_ratio", signal: "kvUsage", combine: "mean" },
  ],
};
