// The table of Text Generation Inference, whose metrics say nothing about a KV cache.
import type { Engine } from "./engine-rows.ts";

export const tgi: Engine = {
  name: "tgi",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "tgi_queue_size", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "tgi_batch_current_size", signal: "running", combine: "sum" },
  ],
};
