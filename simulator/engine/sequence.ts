import type { Block, Holding } from "./kv-cache.ts";
import type { Linked } from "./linked-list.ts";

export type FinishReason = "stop" | "length" | "abort" | "error";

/** What the engine calls back, always at a step's end. */
export interface SequenceListener {
  /** One more token exists; not called for the last one, which comes with `finished`. */
  token(sequence: Sequence): void;
  finished(sequence: Sequence, reason: FinishReason): void;
}

export interface EngineRequest {
  promptTokens: number;
  /** Hash chain of the prompt's full blocks (see prompt.ts). */
  hashes: ArrayLike<number>;
  /** Tokens to generate; 0 for a request that only reads its prompt (embeddings). */
  outputTokens: number;
  /** Why it ends after `outputTokens`. */
  endsBy?: "stop" | "length";
  adapter?: string | undefined;
  /** The client's limit, for the metrics. */
  maxTokens?: number | undefined;
  listener?: SequenceListener | undefined;
}

/** A request inside the engine. */
export class Sequence implements Holding, Linked<Sequence> {
  readonly request: EngineRequest;
  readonly hashes: ArrayLike<number>;
  readonly blocks: Block[] = [];
  plain = 0;
  state: "waiting" | "running" | "done" = "waiting";
  /** Skipped in the queue because every adapter slot is taken by others. */
  deferred = false;
  /** Tokens whose KV entries exist. */
  computed = 0;
  generated = 0;
  /** Tokens computed by the step in progress. */
  inStep = 0;
  /** Prompt tokens found in the cache when first admitted; -1 before. */
  cachedTokens = -1;
  preemptions = 0;
  readonly arrivedAt: number;
  admittedAt = 0;
  firstTokenAt = 0;
  lastTokenAt = 0;
  prev: Sequence | null = null;
  next: Sequence | null = null;

  constructor(request: EngineRequest, now: number) {
    this.request = request;
    this.hashes = request.hashes;
    this.arrivedAt = now;
  }

  /** Tokens known so far, prompt and generated: all must be computed before the next one is sampled. */
  get length(): number {
    return this.request.promptTokens + this.generated;
  }
}
