// The histograms of finished requests.
import type { Sequence } from "./sequence.ts";
import type { EngineStats } from "./stats.ts";

/** Observes a request that ended at `now` (ms). As vLLM does, each histogram gets one value per request. */
export function observeFinished(stats: EngineStats, sequence: Sequence, now: number): void {
  const h = stats.histograms;
  const { request } = sequence;
  const decode = (now - sequence.firstTokenAt) / 1000;
  h.request_prompt_tokens.observe(request.promptTokens);
  h.request_generation_tokens.observe(sequence.generated);
  h.request_max_num_generation_tokens.observe(sequence.generated);
  h.request_params_n.observe(1);
  if (request.maxTokens !== undefined) h.request_params_max_tokens.observe(request.maxTokens);
  h.request_time_per_output_token_seconds.observe(sequence.generated > 1 ? decode / (sequence.generated - 1) : 0);
  h.e2e_request_latency_seconds.observe((now - sequence.arrivedAt) / 1000);
  h.request_queue_time_seconds.observe((sequence.admittedAt - sequence.arrivedAt) / 1000);
  h.request_inference_time_seconds.observe((now - sequence.admittedAt) / 1000);
  h.request_prefill_time_seconds.observe((sequence.firstTokenAt - sequence.admittedAt) / 1000);
  h.request_decode_time_seconds.observe(decode);
  h.request_num_preemptions.observe(sequence.preemptions);
  h.request_prefill_kv_computed_tokens.observe(request.promptTokens - sequence.cachedTokens);
}
