// A request inside the engine, and the events that the engine reports about the request.
import type { Block, Holding } from "./kv-cache.ts";
import type { Linked } from "./linked-list.ts";

export type FinishReason = "stop" | "length" | "abort" | "error";

/** Receives the engine's events, always at the end of a step. */
export interface SequenceListener {
  /** A token was generated. For the last token the engine calls only `finished`. */
  token(sequence: Sequence): void;
  finished(sequence: Sequence, reason: FinishReason): void;
}

export interface EngineRequest {
  promptTokens: number;
  /** Hashes of the prompt's full blocks; each hash covers all tokens up to the block's end (prompt.ts). */
  hashes: ArrayLike<number>;
  /** Number of tokens to generate; 0 for embeddings, which only read the prompt. */
  outputTokens: number;
  /** The finish reason when the request has generated `outputTokens` tokens. Default: "length". */
  endsBy?: "stop" | "length";
  adapter?: string | undefined;
  /** The client's limit of generated tokens. Only the metrics use the limit. */
  maxTokens?: number | undefined;
  listener?: SequenceListener | undefined;
}

/** A request inside the engine. */
export class Sequence implements Holding, Linked<Sequence> {
  readonly request: EngineRequest;
  readonly hashes: ArrayLike<number>;
  readonly blocks: Block[] = [];
  plain = 0;
  state: "waiting" | "loading" | "running" | "done" = "waiting";
  /** Whether the waiting sequence has blocks that were copied from the second level of the cache. */
  loaded = false;
  /** Whether the queue skips the request, because other adapters occupy all adapter slots. */
  deferred = false;
  /** Number of tokens whose KV entries exist. */
  computed = 0;
  generated = 0;
  /** Number of tokens that the current step computes. */
  inStep = 0;
  /** Prompt tokens that were cached when the request was first admitted; -1 before. */
  cachedTokens = -1;
  /** The part of `cachedTokens` that came from the second level of the cache. */
  outsideTokens = 0;
  preemptions = 0;
  readonly arrivedAt: number;
  admittedAt = -1;
  firstTokenAt = 0;
  lastTokenAt = 0;
  prev: Sequence | null = null;
  next: Sequence | null = null;

  constructor(request: EngineRequest, now: number) {
    this.request = request;
    this.hashes = request.hashes;
    this.arrivedAt = now;
  }

  /**
   * Returns the number of prompt tokens and generated tokens. All these tokens are computed before the next token is sampled.
   */
  get length(): number {
    return this.request.promptTokens + this.generated;
  }
}
