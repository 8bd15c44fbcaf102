import { TOKENIZER_NAMES, type TokenizerName } from "./engine/tokenizer.ts";
import { SCRAPE_BYTE_MS, SCRAPE_REQUEST_MS } from "./page-cost.ts";

/** The parameters of a simulated pod. All parameters except the `fixed` ones can change while the pod runs. */
export interface PodParams {
  /** Maximum of sequences that run at once (vLLM: max_num_seqs). */
  slots: number;
  /** Maximum of tokens that a step computes, prefill and decode together (vLLM: max_num_batched_tokens). */
  tokenBudget: number;
  stepBaseMs: number;
  prefillTokenMs: number;
  sequenceMs: number;
  contextTokenMs: number;
  /** Divides the duration of every step: a pod with speed 2 is twice as fast. */
  speed: number;
  /** The duration of each step varies at random by up to ± this fraction. */
  noise: number;
  kvBlocks: number;
  /** Tokens per KV block; fixed at the start, because cached hashes depend on it. */
  blockSize: number;
  /** Blocks of the second level of the KV cache, in the server's memory (vLLM: --kv-offloading-size). 0: there is none. */
  offloadBlocks: number;
  /** Whether vllm:cache_config_info tells the cache's bytes, as if the operator had set --kv-cache-memory-bytes. */
  kvMemoryBytes: boolean;
  /** Duration in ms of copying a token's KV entries from the second level, while steps go on. */
  offloadTokenMs: number;
  /** How the pod tokenizes (engine/tokenizer.ts); fixed at the start. */
  tokenizer: TokenizerName;
  /** Bytes of a token for the tokenizer `bytes`; fixed at the start. */
  tokenBytes: number;
  /** Maximum of adapters whose requests run at the same time. */
  maxLoras: number;
  /** Duration in ms that loading an adapter adds to a step. */
  loraLoadMs: number;
  /** Maximum number of series of `vllm:lora_requests_info`. Real vLLM never drops a series. */
  loraSeriesMax: number;
  maxModelLen: number;
  /** Maximum of waiting and running requests; further requests are refused (vLLM: --max-num-queued-reqs). 0: no limit. */
  maxQueuedReqs: number;
  /** Tokens generated for a request without a limit. */
  outputTokens: number;
  /** Tokens per streamed chunk after the first (vLLM: stream_interval). */
  streamInterval: number;
  /** Whether usage reports the cached prompt tokens (vLLM: --enable-prompt-tokens-details). */
  promptTokensDetails: boolean;
  /**
   * Interval in ms at which the pod reports its metrics to Ray's agent, whose page /metrics then shows (metrics/ray-agent.ts);
   * Ray's own interval is 10 s. 0: /metrics is vLLM's own page. Fixed at the start.
   */
  rayReportMs: number;
  /** Ms for which a scrape occupies the API server process, without its page (page-cost.ts). */
  scrapeRequestMs: number;
  /** Ms for each byte of the page. 0, and `scrapeRequestMs` 0: scrapes cost the pod nothing. */
  scrapeByteMs: number;
  /**
   * API server processes (vLLM: --api-server-count). A connection stays with one of them. With several, a page of some names is empty
   * and a whole page costs more. Fixed at the start.
   */
  apiServers: number;
  /** What the server makes of `GET /metrics/?name[]=…`. */
  nameQuery: NameQuery;
  /** Requests that only the metrics show, as if another gateway had sent them. They take no slot. */
  extraWaiting: number;
  extraRunning: number;
  fail: FailMode;
  /** Delay of /metrics in the mode `slow-metrics`. */
  slowMetricsMs: number;
  /** A sleeping engine queues requests and runs none. */
  asleep: boolean;
}

/**
 * `honoured`: as vLLM, `/metrics/` has only the samples that `name[]` names. `empty`: as SGLang, such a page is empty. `ignored`: as
 * behind a proxy that drops the query, `/metrics/` has the whole page. `not-found`: the server knows only `/metrics`.
 */
const NAME_QUERIES = ["honoured", "empty", "ignored", "not-found"] as const;
type NameQuery = (typeof NAME_QUERIES)[number];

const FAIL_MODES = ["none", "hang", "500", "reset", "slow-metrics"] as const;
type FailMode = (typeof FAIL_MODES)[number];

export function defaultParams(): PodParams {
  return {
    slots: 128,
    tokenBudget: 8192,
    stepBaseMs: 10,
    prefillTokenMs: 0.04,
    sequenceMs: 0.07,
    contextTokenMs: 0.00004,
    speed: 1,
    noise: 0,
    kvBlocks: 16384,
    blockSize: 16,
    offloadBlocks: 0,
    kvMemoryBytes: true,
    // 128 KiB a token (Llama 3.1 8B) over PCIe 4.0 at 25 GB/s.
    offloadTokenMs: 0.005,
    tokenizer: "bytes",
    tokenBytes: 4,
    maxLoras: 4,
    loraLoadMs: 0,
    loraSeriesMax: 10_000,
    maxModelLen: 32_768,
    maxQueuedReqs: 0,
    outputTokens: 64,
    streamInterval: 1,
    promptTokensDetails: false,
    rayReportMs: 0,
    scrapeRequestMs: SCRAPE_REQUEST_MS,
    scrapeByteMs: SCRAPE_BYTE_MS,
    apiServers: 1,
    nameQuery: "honoured",
    extraWaiting: 0,
    extraRunning: 0,
    fail: "none",
    slowMetricsMs: 5000,
    asleep: false,
  };
}

/** A parameter is refused. The message names the key, the value and what is expected. */
export class ParamError extends Error {
  override readonly name = "ParamError";
  readonly key: string;

  constructor(key: string, value: unknown, expected: string) {
    super(`${key}: ${show(value)} is not allowed, expected ${expected}`);
    this.key = key;
  }
}

interface Range {
  min: number;
  max: number;
  whole?: boolean;
  fixed?: boolean;
}

const WORDS: Partial<Record<keyof PodParams, readonly string[]>> = {
  fail: FAIL_MODES,
  nameQuery: NAME_QUERIES,
  tokenizer: TOKENIZER_NAMES,
};

const whole = (min: number, max: number): Range => ({ min, max, whole: true });

const RANGES: Partial<Record<keyof PodParams, Range>> = {
  slots: whole(1, 100_000),
  tokenBudget: whole(1, 1_000_000),
  stepBaseMs: { min: 0, max: 60_000 },
  prefillTokenMs: { min: 0, max: 1000 },
  sequenceMs: { min: 0, max: 1000 },
  contextTokenMs: { min: 0, max: 1000 },
  speed: { min: 0.001, max: 1000 },
  noise: { min: 0, max: 0.9 },
  kvBlocks: whole(1, 100_000_000),
  blockSize: { min: 1, max: 4096, whole: true, fixed: true },
  offloadBlocks: whole(0, 100_000_000),
  offloadTokenMs: { min: 0, max: 1000 },
  tokenBytes: { min: 1, max: 16, fixed: true },
  maxLoras: whole(1, 10_000),
  loraLoadMs: { min: 0, max: 600_000 },
  loraSeriesMax: whole(1, 10_000_000),
  maxModelLen: whole(1, 100_000_000),
  maxQueuedReqs: whole(0, 10_000_000),
  outputTokens: whole(1, 1_000_000),
  streamInterval: whole(1, 1_000_000),
  rayReportMs: { min: 0, max: 600_000, fixed: true },
  scrapeRequestMs: { min: 0, max: 60_000 },
  scrapeByteMs: { min: 0, max: 10 },
  apiServers: { min: 1, max: 64, whole: true, fixed: true },
  extraWaiting: whole(0, 1_000_000),
  extraRunning: whole(0, 1_000_000),
  slowMetricsMs: { min: 0, max: 600_000 },
};

/** Checks the whole patch, then applies it: a refused patch changes nothing. `running` also refuses changes of fixed parameters. */
export function applyPatch(params: PodParams, patch: unknown, running: boolean): void {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw new ParamError("params", patch, "a JSON object of parameters");
  }
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(patch)) {
    if (!Object.hasOwn(params, key)) {
      throw new ParamError(key, value, `one of the parameters ${Object.keys(params).join(", ")}`);
    }
    check(params, key as keyof PodParams, value, running);
    checked[key] = value;
  }
  Object.assign(params, checked);
}

function check(params: PodParams, key: keyof PodParams, value: unknown, running: boolean): void {
  const words: readonly string[] | undefined = WORDS[key];
  if (words !== undefined) {
    if (!words.includes(value as string)) throw new ParamError(key, value, `one of ${words.join(", ")}`);
    if (running && key === "tokenizer" && value !== params.tokenizer) throw fixedError(params, key, value);
    return;
  }
  const range = RANGES[key];
  if (range === undefined) {
    if (typeof value !== "boolean") throw new ParamError(key, value, "true or false");
    return;
  }
  const kind = range.whole ? "a whole number" : "a number";
  const fits = typeof value === "number" && value >= range.min && value <= range.max;
  if (!fits || (range.whole && !Number.isInteger(value))) {
    throw new ParamError(key, value, `${kind} from ${range.min} to ${range.max}`);
  }
  if (running && range.fixed && value !== params[key]) {
    throw fixedError(params, key, value);
  }
}

function fixedError(params: PodParams, key: keyof PodParams, value: unknown): ParamError {
  return new ParamError(key, value, `${String(params[key])}: it is fixed when the pod starts`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
