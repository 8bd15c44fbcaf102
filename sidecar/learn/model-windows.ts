// Brings together what the servers of a model count and what the Envoys count of the same requests. Both are read at slightly
// different moments, so a request near the end of a window may be counted by one side only. Three things keep this small:
//
//   - The next window begins where the last one ended, so what one window lacks the next one has.
//   - A window ends where both sides have counted equally many requests since its beginning, if such a moment comes in time.
//   - What is left is a regressor (tokenizer-fit.ts), which also stands for requests that others send to the servers.
//
// A window is dropped if an Envoy started anew, or a server or an Envoy came, went, or could not be read. A server that started anew
// is left out of the window. window-servers.ts says which further servers are not believed.
import type { ModelSums } from "../../protocol/model-sums.ts";
import type { Counters } from "../engines/reading.ts";
import { cachedOf, risesOf } from "./counter-deltas.ts";
import { emptySums, sumOf } from "./envoy-sums.ts";
import { WindowServers } from "./window-servers.ts";

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
  /** Bounds of the prompt tokens from a cache (window-servers.ts); undefined: not all servers count them. */
  cached: { low: number; high: number } | undefined;
  /** What the Envoys counted. */
  own: ModelSums;
}

interface Source {
  at: number;
  /** The usual time between two readings, ms. */
  interval: number;
}

export class ModelWindows {
  readonly #servers = new Map<string, Source & { counters: Counters }>();
  readonly #envoys = new Map<string, Source>();
  /** Servers of the model that do not count their prompt tokens. While there is one, windows compare unequal sums. */
  readonly #silent = new Set<string>();
  /** What was counted since the current window began. */
  readonly #counted = new WindowServers();
  #own = emptySums();
  #startAt: number | undefined;
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
    if (before === undefined) this.#restart();
    if (rises === undefined) {
      this.#counted.leaveOut(address);
      return undefined;
    }
    const { promptTokens: tokens = 0, promptRequests: requests = 0 } = rises;
    const cached = cachedOf(rises);
    if (cached === undefined) this.#cachedKnown = false;
    this.#counted.add(address, { tokens, requests, cached: cached ?? 0 });
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
    this.#own = sumOf(this.#own, rises);
    return this.#tryEnd(at);
  }

  serverGone(address: string): void {
    this.#silent.delete(address);
    this.#counted.forget(address);
    if (this.#servers.delete(address)) this.#restart();
  }

  envoyGone(envoy: string): void {
    if (this.#envoys.delete(envoy)) this.#restart();
  }

  #restart(): void {
    this.#startAt = undefined;
    this.#longAt = undefined;
  }

  #tryEnd(now: number): TrafficWindow | undefined {
    if (this.#startAt === undefined) {
      if (this.#fresh(now)) this.#begin(now);
      return undefined;
    }
    const ms = now - this.#startAt;
    const own = this.#own.requests;
    if (ms < MIN_MS || own === 0 || (own < MIN_REQUESTS && ms < MAX_MS)) return undefined;
    this.#longAt ??= now;
    const foreign = this.#counted.requests - own;
    if (foreign !== 0 && now < this.#longAt + PATIENCE * ms) return undefined;
    if (!this.#fresh(now)) return undefined;
    const believed = this.#counted.end(own, this.#own.bytes);
    const cached =
      this.#cachedKnown && believed !== undefined ? { low: believed.cachedLow, high: believed.cachedHigh } : undefined;
    const window = believed && { ms, tokens: believed.tokens, requests: believed.requests, cached, own: this.#own };
    this.#begin(now);
    return window;
  }

  #begin(now: number): void {
    this.#longAt = undefined;
    this.#cachedKnown = true;
    this.#startAt = now;
    this.#counted.begin();
    this.#own = emptySums();
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

function sourceOf(before: Source | undefined, at: number): Source {
  const gap = before === undefined ? 0 : at - before.at;
  const interval = before === undefined || before.interval === 0 ? gap : 0.8 * before.interval + 0.2 * gap;
  return { at, interval };
}
