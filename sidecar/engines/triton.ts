// The table of Triton with the TensorRT-LLM backend. Each metric family has a label that says what a sample counts. The
// metrics are on a port of their own. Triton has no /v1/models, so `models.static` must name its models.
import type { Engine, Signal } from "./engine-rows.ts";

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
