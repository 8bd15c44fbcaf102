// The table of SGLang with --enable-metrics. With data parallelism each scheduler has its own series, with its own labels.
import type { Engine } from "./engine-rows.ts";

export const sglang: Engine = {
  name: "sglang",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "sglang:num_queue_reqs", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "sglang:num_running_reqs", signal: "running", combine: "sum" },
    { kind: "gauge", metric: "sglang:token_usage", signal: "kvUsage", combine: "mean" },
    // SGLang calls a block a page.
    {
      kind: "labels",
      metric: "sglang:cache_config_info",
      numbers: { kvBlocks: "num_pages", blockTokens: "page_size" },
    },
  ],
};
