// Reads a simulated engine's counters as a scrape of its /metrics would, without the text.
import type { Counters } from "../../sidecar/engines/reading.ts";
import type { Engine } from "../../simulator/engine/engine.ts";

/** Returns the counters that sidecar/engines/vllm.ts reads from a page of this engine. */
export function countersOf({ stats }: Engine): Counters {
  const { histograms } = stats;
  return {
    promptTokens: stats.promptTokens,
    promptRequests: histograms.time_to_first_token_seconds.count,
    cachedTokens: stats.cachedTokens,
    hitTokens: stats.prefixHits,
    externalHitTokens: stats.outsideHits,
    steps: histograms.iteration_tokens_total.count,
    generatedTokens: stats.generationTokens,
    interTokens: histograms.inter_token_latency_seconds.count,
    interTokenSeconds: histograms.inter_token_latency_seconds.sum,
    prefillTokens: histograms.request_prefill_kv_computed_tokens.sum,
    prefillSeconds: histograms.request_prefill_time_seconds.sum,
    prefillRequests: histograms.request_prefill_kv_computed_tokens.count,
    startedAt: 1,
  };
}
