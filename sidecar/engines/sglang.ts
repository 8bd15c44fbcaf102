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
    // SGLang counts a request's tokens when the request ends (srt/metrics/collector.py).
    { kind: "counter", metric: "sglang:prompt_tokens_total", counter: "promptTokens" },
    { kind: "counter", metric: "sglang:num_requests_total", counter: "promptRequests" },
    { kind: "counter", metric: "sglang:cached_tokens_total", counter: "cachedTokens" },
    { kind: "counter", metric: "sglang:generation_tokens_total", counter: "generatedTokens" },
    // The schedulers count these as they compute. Older versions call the forward mode "forward_prefill".
    {
      kind: "counter",
      metric: "sglang:realtime_tokens_total",
      counter: "prefillTokens",
      where: { label: "mode", value: "prefill_compute" },
    },
    {
      kind: "counter",
      metric: "sglang:gpu_execution_seconds_total",
      counter: "prefillSeconds",
      where: { label: "category", value: "forward_extend" },
    },
    {
      kind: "counter",
      metric: "sglang:gpu_execution_seconds_total",
      counter: "prefillSeconds",
      where: { label: "category", value: "forward_prefill" },
    },
    { kind: "counter", metric: "process_start_time_seconds", counter: "startedAt" },
  ],
};
