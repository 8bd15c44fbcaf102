import type { Block, Holding } from "./kv-cache.ts";

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
export class Sequence implements Holding {
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

/** First in, first out, with removal from anywhere and return to the front, all in constant time. */
export class WaitingQueue {
  head: Sequence | null = null;
  private tail: Sequence | null = null;
  size = 0;

  push(sequence: Sequence): void {
    sequence.prev = this.tail;
    sequence.next = null;
    if (this.tail === null) this.head = sequence;
    else this.tail.next = sequence;
    this.tail = sequence;
    this.size++;
  }

  unshift(sequence: Sequence): void {
    sequence.prev = null;
    sequence.next = this.head;
    if (this.head === null) this.tail = sequence;
    else this.head.prev = sequence;
    this.head = sequence;
    this.size++;
  }

  remove(sequence: Sequence): void {
    if (sequence.prev === null) this.head = sequence.next;
    else sequence.prev.next = sequence.next;
    if (sequence.next === null) this.tail = sequence.prev;
    else sequence.next.prev = sequence.prev;
    sequence.prev = null;
    sequence.next = null;
    this.size--;
  }
}
