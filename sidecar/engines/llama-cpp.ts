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
    // The server counts computed prompt tokens only, and has no count of requests, so bytes a token cannot be learned from it.
    { kind: "counter", metric: "llamacpp:prompt_tokens_total", counter: "prefillTokens" },
    { kind: "counter", metric: "llamacpp:prompt_seconds_total", counter: "prefillSeconds" },
    { kind: "counter", metric: "llamacpp:tokens_predicted_total", counter: "generatedTokens" },
  ],
};
