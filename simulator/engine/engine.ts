// One engine of a simulated pod: vLLM's scheduler with its queue, its slots and its adapters.
import type { Clock } from "../clock.ts";
import type { PodParams } from "../params.ts";
import { Adapters } from "./adapters.ts";
import { KvCache } from "./kv-cache.ts";
import { LinkedList } from "./linked-list.ts";
import { observeFinished } from "./observe-finished.ts";
import { Offload } from "./offload.ts";
import { type EngineRequest, type FinishReason, Sequence } from "./sequence.ts";
import { EngineStats } from "./stats.ts";
import { stepMs } from "./step-time.ts";

/** What an engine has still to do. */
interface Outlook {
  /** Running and waiting sequences. */
  sequences: number;
  /** Prompt tokens of these sequences that no step has begun to compute. */
  prefillTokens: number;
  /** Ms until the current step ends; 0 while the engine is idle. */
  stepLeftMs: number;
}

/**
 * vLLM's scheduler, step by step. A step serves the running sequences first: a decoding sequence computes one token, a
 * prefilling sequence computes as many as the budget leaves. Then it admits waiting sequences in order, as long as slots,
 * budget, cache and adapters allow. A step lasts
 *
 *   (stepBaseMs + prefillTokenMs · prefill tokens + sequenceMs · sequences + contextTokenMs · context tokens) / speed
 *
 * Tokens, ends and changes of the metrics all happen at the end of a step. A step sets one timer; an idle engine sets none.
 */
export class Engine {
  readonly params: PodParams;
  readonly stats: EngineStats;
  readonly cache: KvCache;
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly waiting = new LinkedList<Sequence>();
  private running: Sequence[] = [];
  /** The sequences that the current step computes. */
  private batch: Sequence[] = [];
  private stepping = false;
  private closed = false;
  private cancelTimer: (() => void) | null = null;
  /** When the current step should end. The next step begins at this time, so that late timers do not slow the pod down. */
  private due = 0;
  private previousEnd = 0;
  private deferredNow = 0;
  private readonly adapters = new Adapters();
  private readonly offload: Offload;
  /** Sequences whose blocks are copied from the second level of the cache, with a function that cancels the copy. */
  private readonly loading = new Map<Sequence, () => void>();
  /** When the last copy from the second level ends. Copies come one after another. */
  private copiesEnd = 0;

  constructor(params: PodParams, clock: Clock, random: () => number = Math.random) {
    this.params = params;
    this.clock = clock;
    this.random = random;
    this.stats = new EngineStats(params.maxModelLen);
    this.cache = new KvCache(params.kvBlocks, params.blockSize);
    this.offload = new Offload(params.offloadBlocks);
  }

  get waitingNow(): number {
    return this.waiting.size + this.loading.size;
  }

  get runningNow(): number {
    return this.running.length;
  }

  get lora(): boolean {
    return this.adapters.enabled;
  }

  enableLora(): void {
    this.adapters.enabled = true;
  }

  submit(request: EngineRequest): Sequence {
    const sequence = new Sequence(request, this.clock.now());
    this.waiting.push(sequence);
    this.stats.received++;
    if (this.waiting.size > this.stats.deepestQueue) this.stats.deepestQueue = this.waiting.size;
    this.adapters.arrived(request.adapter);
    this.wake();
    return sequence;
  }

  /**
   * Ends a request whose client has closed its connection. Frees the slot, queue entry and blocks at once, and calls no
   * listener.
   */
  abort(sequence: Sequence): void {
    if (sequence.state === "done") return;
    if (sequence.state === "running") this.leaveSlot(sequence);
    else {
      if (sequence.state === "waiting") this.leaveQueue(sequence);
      this.loading.get(sequence)?.();
      this.loading.delete(sequence);
      this.cache.release(sequence);
    }
    this.end(sequence, "abort");
    if (!this.stepping) this.publish(this.clock.now());
  }

  /** Applies changed parameters; call it after every change. */
  paramsChanged(): void {
    if (this.cache.capacity !== this.params.kvBlocks) this.cache.resize(this.params.kvBlocks);
    this.offload.resize(this.params.offloadBlocks);
    this.stats.version++;
    this.wake();
  }

  /** The work that is left. No metric shows it; a bench uses it as the bound of what any pick can know. */
  outlook(): Outlook {
    let prefillTokens = 0;
    for (const { generated, length, computed, inStep } of this.running)
      if (generated === 0) prefillTokens += Math.max(0, length - computed - inStep);
    for (let sequence = this.waiting.head; sequence !== null; sequence = sequence.next)
      prefillTokens += this.cache.uncachedTokens(sequence.hashes, sequence.length);
    const sequences = this.running.length + this.waiting.size;
    return { sequences, prefillTokens, stepLeftMs: this.stepping ? Math.max(0, this.due - this.clock.now()) : 0 };
  }

  /** Stops for ever and cancels the timer. Listeners are not called. */
  close(): void {
    this.closed = true;
    this.cancelTimer?.();
    this.cancelTimer = null;
    for (const cancel of this.loading.values()) cancel();
  }

  private wake(): void {
    if (this.stepping || this.closed || this.params.asleep) return;
    if (this.running.length === 0 && this.waiting.head === null) return;
    this.stepping = true;
    const now = this.clock.now();
    const duration = this.plan(now);
    if (this.batch.length === 0 && this.loading.size > 0) {
      // There is nothing to compute before a copy ends, and its end wakes the engine.
      this.stepping = false;
      this.stats.endLookups();
      this.publish(now);
      return;
    }
    // A step starts when the last step was due, so that a late timer delays no step. After 50 ms or more the step starts now.
    const start = this.due <= now && now - this.due < 50 && this.previousEnd > 0 && this.backToBack ? this.due : now;
    this.due = start + duration;
    this.cancelTimer = this.clock.after(Math.max(0, this.due - now), () => this.finishStep());
  }

  /** True while a step begins in the same call that ended the previous step. */
  private backToBack = false;

  private finishStep(): void {
    this.cancelTimer = null;
    const now = this.clock.now();
    this.collect(now);
    this.previousEnd = now;
    this.stepping = false;
    this.backToBack = true;
    this.wake();
    this.backToBack = false;
  }

  /** Chooses the step's batch and returns its duration in ms. */
  private plan(now: number): number {
    const { params } = this;
    let budget = params.tokenBudget;
    let prefill = 0;
    let context = 0;
    let loading = 0;
    const batch: Sequence[] = [];
    const preempted = this.stats.preemptions;
    for (let i = 0; i < this.running.length && budget > 0; i++) {
      const sequence = this.running[i] as Sequence;
      const tokens = Math.min(sequence.length - sequence.computed, budget);
      if (!this.makeRoom(sequence, sequence.computed + tokens)) break;
      sequence.inStep = tokens;
      budget -= tokens;
      context += sequence.computed;
      if (sequence.generated === 0 || tokens > 1) prefill += tokens;
      batch.push(sequence);
    }
    // As in vLLM, a step that preempted a sequence admits no sequence.
    let candidate = this.stats.preemptions === preempted ? this.waiting.head : null;
    while (candidate !== null && budget > 0 && this.running.length < params.slots) {
      const sequence = candidate;
      candidate = sequence.next;
      if (this.adapters.mustWait(sequence.request.adapter, params.maxLoras)) {
        this.defer(sequence);
        continue;
      }
      const taken = this.admit(sequence, budget, now);
      if (taken === 0) break;
      if (sequence.state === "loading") continue;
      const { adapter } = sequence.request;
      if (adapter !== undefined && this.adapters.bringIn(adapter, params.maxLoras)) loading += params.loraLoadMs;
      budget -= taken;
      prefill += taken;
      context += sequence.computed;
      batch.push(sequence);
    }
    this.batch = batch;
    return stepMs(params, { prefill, sequences: batch.length, context, loading }, this.random);
  }

  /** Makes room for a running sequence by preempting the newest sequences. Returns false if that preempted `sequence` itself. */
  private makeRoom(sequence: Sequence, tokens: number): boolean {
    while (!this.cache.grow(sequence, tokens)) {
      const victim = this.running[this.running.length - 1] as Sequence;
      this.leaveSlot(victim);
      victim.preemptions++;
      this.stats.preemptions++;
      victim.state = "waiting";
      this.waiting.unshift(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  /**
   * Moves a waiting sequence into a slot, or begins to copy its blocks from the second level of the cache (state "loading"). Returns
   * the tokens that it computes in this step or that are copied; 0 if the cache has no room.
   */
  private admit(sequence: Sequence, budget: number, now: number): number {
    if (sequence.loaded) {
      const tokens = Math.min(sequence.length - sequence.computed, budget);
      if (this.cache.grow(sequence, sequence.computed + tokens)) return this.enterSlot(sequence, tokens, now);
      if (this.running.length > 0) return 0;
      this.cache.release(sequence);
    }
    const { blockSize } = this.params;
    // The last prompt token is always computed, because the first new token is sampled from its output.
    const limit = Math.floor((sequence.length - 1) / blockSize);
    const local = this.cache.match(sequence.hashes, limit);
    const outside = sequence.loaded ? 0 : this.offload.match(sequence.hashes, local, limit);
    const cached = (local + outside) * blockSize;
    const tokens = outside > 0 ? 0 : Math.min(sequence.length - cached, budget);
    if (!this.cache.admit(sequence, cached + tokens)) return 0;
    if (sequence.cachedTokens < 0) {
      sequence.cachedTokens = cached;
      sequence.outsideTokens = outside * blockSize;
      this.stats.lookedUp(
        sequence.request.promptTokens,
        local * blockSize,
        sequence.outsideTokens,
        this.offload.enabled,
      );
    }
    sequence.computed = cached;
    if (outside === 0) return this.enterSlot(sequence, tokens, now);
    this.load(sequence, outside * blockSize, now);
    return outside * blockSize;
  }

  private enterSlot(sequence: Sequence, tokens: number, now: number): number {
    this.leaveQueue(sequence);
    this.running.push(sequence);
    sequence.state = "running";
    sequence.loaded = false;
    sequence.inStep = tokens;
    this.adapters.entersSlot(sequence.request.adapter);
    if (sequence.admittedAt < 0) sequence.admittedAt = now;
    return tokens;
  }

  /** Copies blocks from the second level while steps go on. The sequence then waits first in the queue. */
  private load(sequence: Sequence, tokens: number, now: number): void {
    this.leaveQueue(sequence);
    sequence.state = "loading";
    this.copiesEnd = Math.max(now, this.copiesEnd) + tokens * this.params.offloadTokenMs;
    const done = () => {
      this.loading.delete(sequence);
      sequence.loaded = true;
      sequence.state = "waiting";
      this.waiting.unshift(sequence);
      this.wake();
    };
    this.loading.set(sequence, this.clock.after(this.copiesEnd - now, done));
  }

  private collect(now: number): void {
    const { stats } = this;
    const { histograms } = stats;
    const batch = this.batch;
    this.batch = [];
    /** As in vLLM: the computed prompt tokens of requests with their first token, and the generated tokens. */
    let tokens = 0;
    let inStride = 0;
    let ended = false;
    const notify: Sequence[] = [];
    for (const sequence of batch) {
      if (sequence.state !== "running") continue;
      sequence.computed += sequence.inStep;
      if (sequence.computed < sequence.length) continue;
      if (sequence.generated === 0) tokens += sequence.request.promptTokens - sequence.cachedTokens;
      if (sequence.request.outputTokens > 0) {
        sequence.generated++;
        tokens++;
        stats.generationTokens++;
        if (sequence.generated === 1) this.firstToken(sequence, now);
        else if (sequence.lastTokenAt === this.previousEnd) inStride++;
        else histograms.inter_token_latency_seconds.observe((now - sequence.lastTokenAt) / 1000);
        sequence.lastTokenAt = now;
      } else {
        this.firstToken(sequence, now);
      }
      notify.push(sequence);
      if (sequence.generated >= sequence.request.outputTokens) {
        sequence.state = "done";
        ended = true;
      }
    }
    if (inStride > 0) histograms.inter_token_latency_seconds.observe((now - this.previousEnd) / 1000, inStride);
    if (notify.length > 0) histograms.iteration_tokens_total.observe(tokens);
    stats.endLookups();
    if (ended) this.running = this.running.filter((sequence) => sequence.state === "running");
    for (const sequence of notify) if (sequence.state === "done") this.complete(sequence, now);
    if (batch.length === 0) this.refuseUnfit();
    stats.steps++;
    this.publish(now);
    for (const sequence of notify) {
      const { listener, outputTokens, endsBy } = sequence.request;
      if (sequence.generated >= outputTokens) listener?.finished(sequence, endsBy ?? "length");
      else if (sequence.state === "running") listener?.token(sequence);
    }
  }

  private firstToken(sequence: Sequence, now: number): void {
    const { stats } = this;
    const { promptTokens } = sequence.request;
    sequence.firstTokenAt = now;
    stats.promptTokens += promptTokens;
    stats.cachedTokens += sequence.cachedTokens;
    stats.outsideTokens += sequence.outsideTokens;
    this.offload.store(sequence.hashes);
    stats.histograms.time_to_first_token_seconds.observe((now - sequence.arrivedAt) / 1000);
  }

  private complete(sequence: Sequence, now: number): void {
    const { request } = sequence;
    observeFinished(this.stats, sequence, now);
    this.cache.release(sequence);
    this.adapters.leavesSlot(request.adapter);
    this.end(sequence, request.endsBy ?? "length");
  }

  /**
   * Refuses the first waiting request if it does not fit although no request runs. This happens only after the cache was
   * shrunk.
   */
  private refuseUnfit(): void {
    const head = this.waiting.head;
    if (head === null || this.running.length > 0) return;
    this.leaveQueue(head);
    this.end(head, "error");
    head.request.listener?.finished(head, "error");
  }

  private publish(now: number): void {
    const { stats } = this;
    stats.running = this.running.length;
    // vLLM counts a request whose blocks are copied as deferred.
    stats.waiting = this.waitingNow;
    stats.deferred = this.deferredNow + this.loading.size;
    stats.kvUsage = this.cache.usage;
    stats.version++;
    if (this.adapters.enabled) stats.sawAdapters(this.adapters.names, now / 1000, this.params.loraSeriesMax);
  }

  private defer(sequence: Sequence): void {
    if (!sequence.deferred) this.deferredNow++;
    sequence.deferred = true;
  }

  private leaveQueue(sequence: Sequence): void {
    this.waiting.remove(sequence);
    if (sequence.deferred) this.deferredNow--;
    sequence.deferred = false;
  }

  private leaveSlot(sequence: Sequence): void {
    const i = this.running.lastIndexOf(sequence);
    this.running.splice(i, 1);
    this.cache.release(sequence);
    this.adapters.leavesSlot(sequence.request.adapter);
  }

  private end(sequence: Sequence, reason: FinishReason): void {
    sequence.state = "done";
    this.stats.finished[reason]++;
    this.adapters.ended(sequence.request.adapter);
  }
}
