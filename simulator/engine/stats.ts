// Counters, gauges and histograms of one engine, from which metrics/ writes the text of /metrics.
import type { FinishReason } from "./sequence.ts";

/** Bucket bounds of vLLM 0.32; a test compares them with captures of a real server. */
const SECONDS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const TOKEN_SECONDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const FIRST_TOKEN_SECONDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const ITERATION = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];

export class Histogram {
  readonly bounds: readonly number[];
  /** The count of each bucket, not cumulative. The last bucket is +Inf. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number, times = 1): void {
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (value <= (this.bounds[mid] as number)) high = mid;
      else low = mid + 1;
    }
    this.counts[low] = (this.counts[low] as number) + times;
    this.sum += value * times;
    this.count += times;
  }
}

/** vLLM cuts its size buckets at the model's context length. */
function sizesUpTo(maxModelLen: number): number[] {
  const scaled: number[] = [];
  for (let decade = 1; ; decade *= 10) {
    for (const digit of [1, 2, 5]) {
      if (digit * decade > maxModelLen) return scaled;
      scaled.push(digit * decade);
    }
  }
}

export type HistogramName =
  | "request_prompt_tokens"
  | "request_generation_tokens"
  | "iteration_tokens_total"
  | "request_max_num_generation_tokens"
  | "request_params_n"
  | "request_params_max_tokens"
  | "time_to_first_token_seconds"
  | "inter_token_latency_seconds"
  | "request_time_per_output_token_seconds"
  | "e2e_request_latency_seconds"
  | "request_queue_time_seconds"
  | "request_inference_time_seconds"
  | "request_prefill_time_seconds"
  | "request_decode_time_seconds"
  | "request_num_preemptions"
  | "request_prefill_kv_computed_tokens";

/**
 * All counts of one engine. A gauge has its value at the end of the last step, because a scrape of a real server sees only
 * such values.
 */
export class EngineStats {
  running = 0;
  waiting = 0;
  deferred = 0;
  kvUsage = 0;
  steps = 0;
  promptTokens = 0;
  cachedTokens = 0;
  generationTokens = 0;
  prefixQueries = 0;
  prefixHits = 0;
  /** Tokens that were looked up in the second level of the cache, found there, and found there by requests with a first token. */
  outsideQueries = 0;
  outsideHits = 0;
  outsideTokens = 0;
  preemptions = 0;
  rejections = 0;
  received = 0;
  deepestQueue = 0;
  readonly finished: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  readonly histograms: Readonly<Record<HistogramName, Histogram>>;
  /**
   * Key: the adapters that had waiting or running requests, as one label value. Value: the last time of this state, in
   * seconds.
   */
  readonly loraSeries = new Map<string, number>();
  /** What the new sequences of this step looked up and found. */
  private lookups = { queries: 0, hits: 0, outsideQueries: 0, outsideHits: 0 };
  /** Increases whenever the text of /metrics may have changed. */
  version = 0;

  constructor(maxModelLen: number) {
    const sizes = () => new Histogram(sizesUpTo(maxModelLen));
    const seconds = () => new Histogram(SECONDS);
    this.histograms = {
      request_prompt_tokens: sizes(),
      request_generation_tokens: sizes(),
      iteration_tokens_total: new Histogram(ITERATION),
      request_max_num_generation_tokens: sizes(),
      request_params_n: new Histogram([1, 2, 5, 10, 20]),
      request_params_max_tokens: sizes(),
      time_to_first_token_seconds: new Histogram(FIRST_TOKEN_SECONDS),
      inter_token_latency_seconds: new Histogram(TOKEN_SECONDS),
      request_time_per_output_token_seconds: new Histogram(TOKEN_SECONDS),
      e2e_request_latency_seconds: seconds(),
      request_queue_time_seconds: seconds(),
      request_inference_time_seconds: seconds(),
      request_prefill_time_seconds: seconds(),
      request_decode_time_seconds: seconds(),
      request_num_preemptions: new Histogram([1, 2, 3, 4, 5, 10, 20]),
      request_prefill_kv_computed_tokens: sizes(),
    };
  }

  /**
   * A new sequence looked up its prompt: `local` tokens were in the cache, and `outside` tokens in the second level, if there is
   * one. The counters rise at the end of the step.
   */
  lookedUp(promptTokens: number, local: number, outside: number, secondLevel: boolean): void {
    this.lookups.queries += promptTokens;
    this.lookups.hits += local;
    if (!secondLevel) return;
    this.lookups.outsideQueries += promptTokens - local;
    this.lookups.outsideHits += outside;
  }

  endLookups(): void {
    this.prefixQueries += this.lookups.queries;
    this.prefixHits += this.lookups.hits;
    this.outsideQueries += this.lookups.outsideQueries;
    this.outsideHits += this.lookups.outsideHits;
    this.lookups = { queries: 0, hits: 0, outsideQueries: 0, outsideHits: 0 };
  }

  /** Notes which adapters have requests at a time in seconds. Forgets the oldest of more than `max` combinations. */
  sawAdapters(names: string, at: number, max: number): void {
    this.loraSeries.set(names, at);
    if (this.loraSeries.size <= max) return;
    for (const oldest of this.loraSeries.keys()) {
      if (oldest === names) continue;
      this.loraSeries.delete(oldest);
      break;
    }
  }
}
