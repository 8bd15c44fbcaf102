// Learns all that is learned of one base model: its tokenizer, and the costs and caches of its servers. Several base models that a
// server lists together are one model here, because the server counts their requests together.
import { MAX_STEP_SECONDS } from "../../protocol/constants.ts";
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { Reading } from "../engines/reading.ts";
import { CapacityFit } from "./capacity-fit.ts";
import { emptySums, sumOf } from "./envoy-sums.ts";
import { FirstByteFit } from "./first-byte-fit.ts";
import { ModelWindows, type TrafficWindow } from "./model-windows.ts";
import { type StepCosts, StepFit } from "./step-fit.ts";
import { StepWindows } from "./step-windows.ts";
import { type Tokenizer, TokenizerFit } from "./tokenizer-fit.ts";

/** Requests with `usage` that are one window. */
const USAGE_REQUESTS = 8;
/** The costs of all servers are solved for this often, or at this many ms for each server if that is longer. */
const SOLVE_MS = 1000;
const SOLVE_MS_PER_SERVER = 2;
/** Scrapes of a server are wanted fast for EAGER_MS after its first requests, and then for REFRESH_MS of each REFRESH_EVERY_MS. */
const EAGER_MS = 60_000;
const REFRESH_MS = 6000;
const REFRESH_EVERY_MS = 60_000;
const MIN_PREFILL_RATE = 10;
const MAX_PREFILL_RATE = 10_000_000;

export class ModelLearner {
  readonly #windows = new ModelWindows();
  readonly #tokens = new TokenizerFit();
  readonly #capacity = new CapacityFit();
  readonly #firstBytes = new FirstByteFit();
  readonly #steps = new StepFit();
  readonly #servers = new Map<string, StepWindows>();
  /** Whether a server has a store of unknown size outside the GPU's memory. */
  #store = false;
  #usage = emptySums();
  #solvedAt = Number.NEGATIVE_INFINITY;
  #fresh = false;

  /** Takes a scrape of a server. `at`: ms. */
  scraped(address: string, reading: Reading, at: number): void {
    if (reading.offloadGiB !== null && reading.cacheBytes === null) this.#store = true;
    this.#take(this.#windows.scraped(address, reading.counters, at));
    let steps = this.#servers.get(address);
    if (steps === undefined) {
      steps = new StepWindows();
      this.#servers.set(address, steps);
    }
    const requests = reading.running === null ? null : reading.running + (reading.waiting ?? 0);
    for (const observation of steps.add({ at, requests, counters: reading.counters })) {
      this.#steps.add(address, observation);
      this.#fresh = true;
    }
    if (this.#fresh && at - this.#solvedAt >= Math.max(SOLVE_MS, SOLVE_MS_PER_SERVER * this.#servers.size)) {
      this.#solvedAt = at;
      this.#fresh = false;
      this.#steps.solve();
    }
  }

  /** Takes how much an Envoy's sums of this model rose; undefined: the Envoy has started anew. */
  reported(envoy: string, rises: ModelSums | undefined, at: number): void {
    if (rises !== undefined) {
      this.#firstBytes.add(rises.fit);
      this.#usage = sumOf(this.#usage, rises);
      const { usageRequests: requests, usageTokens: tokens, usageBytes: bytes } = this.#usage;
      if (requests >= USAGE_REQUESTS) {
        this.#tokens.add({ tokens, requests, bytes, foreign: 0, straddling: 0 });
        this.#usage = emptySums();
      }
    }
    this.#take(this.#windows.reported(envoy, rises, at));
  }

  #take(window: TrafficWindow | undefined): void {
    if (window === undefined) return;
    this.#capacity.add(window, this.#store);
    const { tokens, requests, own } = window;
    // What `usage` says is exact, so the servers' sums are used only for models whose responses rarely have it.
    if (own.usageRequests * 4 > own.requests) return;
    const foreign = requests - own.requests;
    const straddling = foreign === 0 ? 1 : 3;
    this.#tokens.add({ tokens, requests: own.requests, bytes: own.bytes, foreign, straddling });
  }

  serverGone(address: string): void {
    this.#windows.serverGone(address);
    this.#servers.delete(address);
    this.#steps.forget(address);
  }

  envoyGone(envoy: string): void {
    this.#windows.envoyGone(envoy);
  }

  get tokenizer(): Tokenizer | undefined {
    return this.#tokens.tokenizer;
  }

  /** Whether frequent scrapes of a server help to learn the costs of its steps: at first, and then for some seconds a minute. `at`: ms. */
  wantsScrapes(address: string, at: number): boolean {
    const since = this.#servers.get(address)?.busySince;
    if (since === undefined) return false;
    return at - since < EAGER_MS || (at - since) % REFRESH_EVERY_MS < REFRESH_MS;
  }

  /** Number of windows from which the tokenizer is learned. */
  get tokenWindows(): number {
    return this.#tokens.windows;
  }

  /** By what the capacities of the servers' caches are multiplied. */
  get capacityFactor(): number {
    return this.#capacity.factor;
  }

  /** Returns what a server's steps cost, as far as it is known. */
  stepsOf(address: string): Partial<StepCosts> {
    const { step, prefill, sequence } = this.#steps.costsOf(address);
    return {
      ...(step !== undefined && { step: Math.min(MAX_STEP_SECONDS, step) }),
      ...(prefill !== undefined && { prefill }),
      ...(sequence !== undefined && { sequence: Math.min(MAX_STEP_SECONDS, sequence) }),
    };
  }

  /** Returns the tokens a second that a server prefills while prompts wait; undefined: not known. */
  rateOf(address: string): number | undefined {
    // What the filters measure serves for servers that show nothing of their steps.
    const rate =
      this.#steps.drainRateOf(address) ?? (this.#steps.observed(address) ? undefined : this.#firstBytes.rate);
    return rate === undefined ? undefined : Math.min(MAX_PREFILL_RATE, Math.max(MIN_PREFILL_RATE, rate));
  }
}
