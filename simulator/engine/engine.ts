// One engine of a simulated pod: vLLM's scheduler with its queue, its slots and its adapters.
import type { Clock } from "../clock.ts";
import type { PodParams } from "../params.ts";
import { KvCache } from "./kv-cache.ts";
import { LinkedList } from "./linked-list.ts";
import { type EngineRequest, type FinishReason, Sequence } from "./sequence.ts";
import { EngineStats } from "./stats.ts";

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
  private loraEnabled = false;
  /** Number of running sequences, per adapter. */
  private readonly loraRunning = new Map<string, number>();
  /**
   * Number of waiting and running requests per adapter, in order of arrival. vLLM 0.32 lists these names both as running and
   * as waiting.
   */
  private readonly loraPresent = new Map<string, number>();
  /** Adapters that are loaded, least recently used first. */
  private readonly loraResident = new Set<string>();

  constructor(params: PodParams, clock: Clock, random: () => number = Math.random) {
    this.params = params;
    this.clock = clock;
    this.random = random;
    this.stats = new EngineStats(params.maxModelLen);
    this.cache = new KvCache(params.kvBlocks, params.blockSize);
  }

  get waitingNow(): number {
    return this.waiting.size;
  }

  get runningNow(): number {
    return this.running.length;
  }

  get lora(): boolean {
    return this.loraEnabled;
  }

  enableLora(): void {
    this.loraEnabled = true;
  }

  submit(request: EngineRequest): Sequence {
    const sequence = new Sequence(request, this.clock.now());
    this.waiting.push(sequence);
    this.stats.received++;
    if (this.waiting.size > this.stats.deepestQueue) this.stats.deepestQueue = this.waiting.size;
    if (request.adapter !== undefined) add(this.loraPresent, request.adapter, 1);
    this.wake();
    return sequence;
  }

  /**
   * Ends a request whose client has closed its connection. Frees the slot, queue entry and blocks at once, and calls no
   * listener.
   */
  abort(sequence: Sequence): void {
    if (sequence.state === "done") return;
    if (sequence.state === "waiting") this.leaveQueue(sequence);
    else this.leaveSlot(sequence);
    this.end(sequence, "abort");
    if (!this.stepping) this.publish(this.clock.now());
  }

  /** Applies changed parameters; call it after every change. */
  paramsChanged(): void {
    if (this.cache.capacity !== this.params.kvBlocks) this.cache.resize(this.params.kvBlocks);
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
  }

  private wake(): void {
    if (this.stepping || this.closed || this.params.asleep) return;
    if (this.running.length === 0 && this.waiting.head === null) return;
    this.stepping = true;
    const now = this.clock.now();
    const duration = this.plan(now);
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
      if (this.adapterMustWait(sequence)) {
        this.defer(sequence);
        continue;
      }
      const taken = this.admit(sequence, budget, now);
      if (taken === 0) break;
      if (sequence.request.adapter !== undefined && this.bringIn(sequence.request.adapter))
        loading += params.loraLoadMs;
      budget -= taken;
      prefill += taken;
      context += sequence.computed;
      batch.push(sequence);
    }
    this.batch = batch;
    const ms =
      params.stepBaseMs +
      params.prefillTokenMs * prefill +
      params.sequenceMs * batch.length +
      params.contextTokenMs * context +
      loading;
    const noise = params.noise === 0 ? 1 : 1 + params.noise * (2 * this.random() - 1);
    return (ms * noise) / params.speed;
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

  /** Moves a waiting sequence into a slot. Returns the tokens that it computes in this step; 0 if the cache has no room. */
  private admit(sequence: Sequence, budget: number, now: number): number {
    const { blockSize } = this.params;
    // The last prompt token is always computed, because the first new token is sampled from its output.
    const matched = this.cache.match(sequence.hashes, Math.floor((sequence.length - 1) / blockSize));
    const cached = matched * blockSize;
    const tokens = Math.min(sequence.length - cached, budget);
    if (!this.cache.admit(sequence, cached + tokens)) return 0;
    this.leaveQueue(sequence);
    this.running.push(sequence);
    sequence.state = "running";
    sequence.computed = cached;
    sequence.inStep = tokens;
    if (sequence.request.adapter !== undefined) add(this.loraRunning, sequence.request.adapter, 1);
    if (sequence.cachedTokens < 0) {
      sequence.cachedTokens = cached;
      sequence.admittedAt = now;
      this.stats.prefixQueries += sequence.request.promptTokens;
      this.stats.prefixHits += cached;
    }
    return tokens;
  }

  private collect(now: number): void {
    const { stats } = this;
    const { histograms } = stats;
    const batch = this.batch;
    this.batch = [];
    let tokens = 0;
    let inStride = 0;
    let ended = false;
    const notify: Sequence[] = [];
    for (const sequence of batch) {
      if (sequence.state !== "running") continue;
      sequence.computed += sequence.inStep;
      tokens += sequence.inStep;
      if (sequence.computed < sequence.length) continue;
      if (sequence.request.outputTokens > 0) {
        sequence.generated++;
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
    if (tokens > 0) histograms.iteration_tokens_total.observe(tokens);
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
    stats.histograms.time_to_first_token_seconds.observe((now - sequence.arrivedAt) / 1000);
  }

  private complete(sequence: Sequence, now: number): void {
    const h = this.stats.histograms;
    const { request } = sequence;
    const decode = (now - sequence.firstTokenAt) / 1000;
    h.request_prompt_tokens.observe(request.promptTokens);
    h.request_generation_tokens.observe(sequence.generated);
    h.request_max_num_generation_tokens.observe(sequence.generated);
    h.request_params_n.observe(1);
    if (request.maxTokens !== undefined) h.request_params_max_tokens.observe(request.maxTokens);
    if (sequence.generated > 1) h.request_time_per_output_token_seconds.observe(decode / (sequence.generated - 1));
    h.e2e_request_latency_seconds.observe((now - sequence.arrivedAt) / 1000);
    h.request_queue_time_seconds.observe((sequence.admittedAt - sequence.arrivedAt) / 1000);
    h.request_inference_time_seconds.observe((now - sequence.admittedAt) / 1000);
    h.request_prefill_time_seconds.observe((sequence.firstTokenAt - sequence.admittedAt) / 1000);
    h.request_decode_time_seconds.observe(decode);
    h.request_num_preemptions.observe(sequence.preemptions);
    h.request_prefill_kv_computed_tokens.observe(request.promptTokens - sequence.cachedTokens);
    this.cache.release(sequence);
    if (request.adapter !== undefined) add(this.loraRunning, request.adapter, -1);
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
    stats.waiting = this.waiting.size;
    stats.deferred = this.deferredNow;
    stats.kvUsage = this.cache.usage;
    stats.version++;
    if (!this.loraEnabled) return;
    const names = [...this.loraPresent.keys()].join(",");
    stats.loraSeries.set(names, now / 1000);
    if (stats.loraSeries.size > this.params.loraSeriesMax) {
      for (const oldest of stats.loraSeries.keys()) {
        if (oldest === names) continue;
        stats.loraSeries.delete(oldest);
        break;
      }
    }
  }

  private adapterMustWait(sequence: Sequence): boolean {
    const { adapter } = sequence.request;
    return adapter !== undefined && this.loraRunning.size >= this.params.maxLoras && !this.loraRunning.has(adapter);
  }

  /** Makes an adapter resident. Returns true if the adapter had to be loaded. */
  private bringIn(adapter: string): boolean {
    const had = this.loraResident.delete(adapter);
    this.loraResident.add(adapter);
    for (const oldest of this.loraResident) {
      if (this.loraResident.size <= this.params.maxLoras) break;
      if (!this.loraRunning.has(oldest)) this.loraResident.delete(oldest);
    }
    return !had;
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
    if (sequence.request.adapter !== undefined) add(this.loraRunning, sequence.request.adapter, -1);
  }

  private end(sequence: Sequence, reason: FinishReason): void {
    sequence.state = "done";
    this.stats.finished[reason]++;
    if (sequence.request.adapter !== undefined) add(this.loraPresent, sequence.request.adapter, -1);
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const value = (counts.get(key) ?? 0) + by;
  if (value > 0) counts.set(key, value);
  else counts.delete(key);
}
