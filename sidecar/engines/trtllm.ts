// TensorRT-LLM in its two servers. trtllm-serve tells iteration statistics as JSON on /metrics and Prometheus text, where
// `return_perf_metrics` is set, on /prometheus/metrics. Triton has one family with a label for what is counted, on a
// port of its own; it has no /v1/models of its own, so its models are given by `models.static`.
import type { Engine, Signal } from "./engine-rows.ts";

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
  ],
};

const REQUESTS = "nv_trt_llm_request_metrics";
const BLOCKS = "nv_trt_llm_kv_cache_block_metrics";

function requests(signal: Signal, value: string) {
  const where = { label: "request_type", value };
  return { kind: "gauge", metric: REQUESTS, signal, combine: "sum", where } as const;
}

function blocks(signal: Signal, value: string, combine: "sum" | "mean" | "max") {
  const where = { label: "kv_cache_block_type", value };
  return { kind: "gauge", metric: BLOCKS, signal, combine, where } as const;
}

export const triton: Engine = {
  name: "triton-tensorrt-llm",
  metrics: { port: 8002 },
  health: "/v2/health/ready",
  rows: [
    requests("waiting", "waiting"),
    requests("running", "scheduled"),
    blocks("kvUsage", "fraction", "mean"),
    blocks("kvBlocks", "max", "sum"),
    blocks("blockTokens", "tokens_per", "max"),
  ],
};
