// The table of Text Generation Inference, whose metrics say nothing about a KV cache.
import type { Engine } from "./engine-rows.ts";

export const tgi: Engine = {
  name: "tgi",
  health: "/health",
  rows: [
    { kind: "gauge", metric: "tgi_queue_size", signal: "waiting", combine: "sum" },
    { kind: "gauge", metric: "tgi_batch_current_size", signal: "running", combine: "sum" },
    // Both are counted when the router has validated a request, before it waits.
    { kind: "counter", metric: "tgi_request_input_length_sum", counter: "promptTokens" },
    { kind: "counter", metric: "tgi_request_input_length_count", counter: "promptRequests" },
    { kind: "counter", metric: "tgi_request_generated_tokens_sum", counter: "generatedTokens" },
  ],
};
