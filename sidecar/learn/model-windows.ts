// Brings together what the servers of a model count and what the Envoys count of the same requests. Both are read at slightly
// different moments, so a request near the end of a window may be counted by one side only. Three things keep this small:
//
//   - The next window begins where the last one ended, so what one window lacks the next one has.
//   - A window ends where both sides have counted equally many requests since its beginning, if such a moment comes in time.
//   - What is left is a regressor (tokenizer-fit.ts), which also stands for requests that others send to the servers.
//
// A window is dropped if a server or an Envoy started anew, came, went, or could not be read.
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { Counters } from "../engines/reading.ts";
import { cachedOf, risesOf } from "./counter-deltas.ts";
import { differenceOf, emptySums, sumOf } from "./envoy-sums.ts";

/** A window has at least this duration and this many requests, or this duration and any request. */
const MIN_MS = 1000;
const MIN_REQUESTS = 8;
const MAX_MS = 10_000;
/** How much longer a window may last, as a share, until both sides have counted equally many requests. */
const PATIENCE = 0.5;
/** A server or an Envoy that was not read for this long, or for this many of its own intervals, cannot end a window. */
const FRESH_MS = 1500;
const FRESH_INTERVALS = 3;
/** A server that was not read for this long has left. */
const GONE_MS = 10_000;

export interface TrafficWindow {
  ms: number;
  /** What the servers counted. */
  tokens: number;
  requests: number;
  /** Prompt tokens from a cache; undefined: not all servers count them. */
  cached: number | undefined;
  /** What the Envoys counted. */
  own: ModelSums;
}

interface Source {
  at: number;
  /** The usual time between two readings, ms. */
  interval: number;
}

/** What was counted since the windows began. */
interface Totals {
  at: number;
  tokens: number;
  requests: number;
  cached: number;
  own: ModelSums;
}

export class ModelWindows {
  readonly #servers = new Map<string, Source & { counters: Counters }>();
  readonly #envoys = new Map<string, Source>();
  /** Servers of the model that do not count their prompt tokens. While there is one, windows compare unequal sums. */
  readonly #silent = new Set<string>();
  #totals: Totals = emptyTotals();
  #start: Totals | undefined;
  #cachedKnown = true;
  /** When the current window became long enough. */
  #longAt: number | undefined;

  /** Takes a scrape of a server. `at`: ms. Returns the window that ends now, if one does. */
  scraped(address: string, counters: Counters, at: number): TrafficWindow | undefined {
    if (counters.promptTokens === undefined || counters.promptRequests === undefined) {
      this.serverGone(address);
      this.#silent.add(address);
      return undefined;
    }
    this.#silent.delete(address);
    const before = this.#servers.get(address);
    const rises = before === undefined ? undefined : risesOf(before.counters, counters);
    this.#servers.set(address, { ...sourceOf(before, at), counters });
    if (rises === undefined) {
      this.#restart();
      return undefined;
    }
    this.#totals.tokens += rises.promptTokens ?? 0;
    this.#totals.requests += rises.promptRequests ?? 0;
    const cached = cachedOf(rises);
    if (cached === undefined) this.#cachedKnown = false;
    this.#totals.cached += cached ?? 0;
    return this.#tryEnd(at);
  }

  /**
   * Takes how much an Envoy's sums rose since its last report; undefined: it has started anew. `envoy`: the Envoy's id. Returns the
   * window that ends now, if one does.
   */
  reported(envoy: string, rises: ModelSums | undefined, at: number): TrafficWindow | undefined {
    this.#envoys.set(envoy, sourceOf(this.#envoys.get(envoy), at));
    if (rises === undefined) {
      this.#restart();
      return undefined;
    }
    this.#totals.own = sumOf(this.#totals.own, rises);
    return this.#tryEnd(at);
  }

  serverGone(address: string): void {
    this.#silent.delete(address);
    if (this.#servers.delete(address)) this.#restart();
  }

  envoyGone(envoy: string): void {
    if (this.#envoys.delete(envoy)) this.#restart();
  }

  #restart(): void {
    this.#start = undefined;
    this.#longAt = undefined;
  }

  #tryEnd(now: number): TrafficWindow | undefined {
    const start = this.#start;
    if (start === undefined) {
      if (this.#fresh(now)) this.#begin(now);
      return undefined;
    }
    const ms = now - start.at;
    const own = this.#totals.own.requests - start.own.requests;
    if (ms < MIN_MS || own === 0 || (own < MIN_REQUESTS && ms < MAX_MS)) return undefined;
    this.#longAt ??= now;
    const foreign = this.#totals.requests - start.requests - own;
    if (foreign !== 0 && now < this.#longAt + PATIENCE * ms) return undefined;
    if (!this.#fresh(now)) return undefined;
    const cached = this.#cachedKnown ? this.#totals.cached - start.cached : undefined;
    const window: TrafficWindow = {
      ms,
      tokens: this.#totals.tokens - start.tokens,
      requests: this.#totals.requests - start.requests,
      cached,
      own: differenceOf(this.#totals.own, start.own),
    };
    this.#begin(now);
    return window;
  }

  #begin(now: number): void {
    this.#longAt = undefined;
    this.#cachedKnown = true;
    this.#start = { ...this.#totals, at: now };
  }

  /** Whether all servers and Envoys were read lately. Forgets servers that were not read for long. */
  #fresh(now: number): boolean {
    for (const [address, { at }] of this.#servers) if (now - at > GONE_MS) this.serverGone(address);
    for (const [envoy, { at }] of this.#envoys) if (now - at > GONE_MS) this.envoyGone(envoy);
    if (this.#servers.size === 0 || this.#envoys.size === 0 || this.#silent.size > 0) return false;
    for (const source of [...this.#servers.values(), ...this.#envoys.values()])
      if (now - source.at > Math.max(FRESH_MS, FRESH_INTERVALS * source.interval)) return false;
    return true;
  }
}

function emptyTotals(): Totals {
  return { at: 0, tokens: 0, requests: 0, cached: 0, own: emptySums() };
}

function sourceOf(before: Source | undefined, at: number): Source {
  const gap = before === undefined ? 0 : at - before.at;
  const interval = before === undefined || before.interval === 0 ? gap : 0.8 * before.interval + 0.2 * gap;
  return { at, interval };
}
