// The table of trtllm-serve, TensorRT-LLM's own server. /metrics has iteration statistics as JSON. With
// `return_perf_metrics`, the server also writes Prometheus text at /prometheus/metrics.
import type { Engine } from "./engine-rows.ts";

export const trtllmServe: Engine = {
  name: "trtllm-serve",
  metrics: { path: "/prometheus/metrics" },
  health: "/health",
  rows: [
    { kind: "gauge", metric: "trtllm_num_requests_waiting", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "trtllm_num_requests_running", signal: "running", combine: "sum" },
    { kind: "gauge", metric: "trtllm_kv_cache_utilization", signal: "kvUsage", combine: "mean" },
    { kind: "gauge", metric: "trtllm_kv_cache_max_blocks", signal: "kvBlocks", combine: "sum" },
    { kind: "gauge", metric: "trtllm_kv_cache_tokens_per_block", signal: "blockTokens", combine: "max" },
    // The server counts a request's tokens when the request ends.
    { kind: "counter", metric: "trtllm_prompt_tokens_total", counter: "promptTokens" },
    { kind: "counter", metric: "trtllm_e2e_request_latency_seconds_count", counter: "promptRequests" },
    { kind: "counter", metric: "trtllm_generation_tokens_total", counter: "generatedTokens" },
    { kind: "counter", metric: "process_start_time_seconds", counter: "startedAt" },
  ],
};
