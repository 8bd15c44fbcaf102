// The loop of one pod over its own connections: metrics every interval, models now and then. Nothing is shared with
// other pods but the event loop, so a slow or dead one delays nobody.
import { isDeepStrictEqual } from "node:util";
import { Pool } from "undici";
import type { Clock } from "../clock.ts";
import { Health } from "../health.ts";
import { exchange, HttpFailure, toFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { Pod, PodAddress } from "../pod.ts";
import { parseModels } from "./models.ts";
import type { MetricsParser } from "./parse.ts";

export interface ScrapeOptions {
  intervalMs: number;
  timeoutMs: number;
  path: string;
  maxBytes: number;
  failures: number;
  maxBackoffMs: number;
  modelsIntervalMs: number;
  /** false: models come from the configuration only. */
  modelsDiscovered: boolean;
}

export interface ScrapeObserver {
  scraped(pod: Pod, seconds: number): void;
  scrapeFailed(pod: Pod, failure: HttpFailure): void;
  modelsFailed(pod: Pod, failure: HttpFailure): void;
  /** Something that a snapshot says about the pod is different now. */
  changed(pod: Pod): void;
}

export interface ScraperParts {
  options: ScrapeOptions;
  parser: MetricsParser;
  clock: Clock;
  log: Log;
  /** 0 to 1, to spread the pods over the interval. */
  random: () => number;
  observer: ScrapeObserver;
}

const MODELS_PATH = "/v1/models";
const MODELS_MAX_BYTES = 1 << 20;
const JITTER = 0.1;

export class Scraper {
  readonly pod: Pod;
  readonly #parts: ScraperParts;
  readonly #pool: Pool;
  #scrapeTimer: NodeJS.Timeout | undefined;
  #modelsTimer: NodeJS.Timeout | undefined;
  #modelsBusy = false;
  #modelsFailures = 0;
  #refusedNames = "";
  #scrapedOnce = false;
  #modelsOnce: boolean;
  #closed = false;

  constructor(found: PodAddress, parts: ScraperParts) {
    this.#parts = parts;
    const health = new Health(parts.options.failures);
    this.#modelsOnce = !parts.options.modelsDiscovered;
    if (this.#modelsOnce) health.modelsRead();
    this.pod = { ...found, health, reading: null, scrapedAt: null, models: [] };
    // Two connections: an answer of /v1/models that hangs does not hold up the metrics.
    this.#pool = new Pool(found.origin, {
      connections: 2,
      pipelining: 1,
      connect: { timeout: parts.options.timeoutMs },
    });
  }

  /** Whether metrics and models were each asked for once, and came or failed. */
  get settled(): boolean {
    return this.#scrapedOnce && this.#modelsOnce;
  }

  start(): void {
    void this.#scrape();
    this.#readModels();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#scrapeTimer);
    clearTimeout(this.#modelsTimer);
    await this.#pool.destroy();
  }

  async #get(path: string, maxBytes: number, timeoutMs: number): Promise<Buffer> {
    const { status, body } = await exchange(this.#pool, { method: "GET", path, maxBytes, timeoutMs });
    if (status !== 200) throw new HttpFailure("status", `${path}: status ${status}, expected 200`);
    return body;
  }

  async #scrape(): Promise<void> {
    const { options, parser, clock, observer } = this.#parts;
    const { pod } = this;
    const started = clock.now();
    const before = { ready: pod.health.ready, reading: pod.reading };
    const first = !this.#scrapedOnce;
    try {
      const body = await this.#get(options.path, options.maxBytes, options.timeoutMs);
      if (this.#closed) return;
      pod.reading = parser.parse(body);
      pod.scrapedAt = started;
      pod.health.scraped();
      observer.scraped(pod, (clock.now() - started) / 1000);
      if (pod.health.needsModels) this.#readModels();
    } catch (error) {
      if (this.#closed) return;
      const failure = toFailure(error);
      pod.health.failed(failure.reason);
      if (!options.modelsDiscovered) pod.health.modelsRead();
      observer.scrapeFailed(pod, failure);
    }
    this.#scrapedOnce = true;
    if (first || before.ready !== pod.health.ready || !isDeepStrictEqual(before.reading, pod.reading)) {
      observer.changed(pod);
    }
    this.#scrapeTimer = setTimeout(() => void this.#scrape(), this.#delay(clock.now() - started, first));
  }

  /** From the end of one scrape to the start of the next: never two at once, none sooner than the interval says. */
  #delay(elapsed: number, first: boolean): number {
    const { options, random } = this.#parts;
    const { failures } = this.pod.health;
    // The second scrape falls anywhere in the interval, so that pods found together are not scraped together for ever.
    if (first && failures === 0) return options.intervalMs * random();
    const doublings = Math.min(Math.max(failures - 1, 0), 16);
    const wait = Math.min(options.intervalMs * 2 ** doublings, Math.max(options.maxBackoffMs, options.intervalMs));
    return Math.max(0, wait * (1 + JITTER * (2 * random() - 1)) - elapsed);
  }

  #readModels(): void {
    if (!this.#parts.options.modelsDiscovered || this.#modelsBusy || this.#closed) return;
    // While a failed read waits for its next try, a scrape that still needs the models does not hurry it.
    if (this.#modelsFailures > 0 && this.#modelsTimer !== undefined) return;
    clearTimeout(this.#modelsTimer);
    this.#modelsBusy = true;
    void this.#models().finally(() => {
      this.#modelsBusy = false;
      if (this.#closed) return;
      const { options, random } = this.#parts;
      const retry = Math.min(options.intervalMs * 2 ** this.#modelsFailures, options.maxBackoffMs);
      const wait = this.#modelsFailures > 0 ? Math.min(retry, options.modelsIntervalMs) : options.modelsIntervalMs;
      this.#modelsTimer = setTimeout(
        () => {
          this.#modelsTimer = undefined;
          this.#readModels();
        },
        wait * (1 + JITTER * (2 * random() - 1)),
      );
    });
  }

  async #models(): Promise<void> {
    const { options, observer } = this.#parts;
    const { pod } = this;
    try {
      const body = await this.#get(MODELS_PATH, MODELS_MAX_BYTES, options.timeoutMs);
      if (this.#closed) return;
      const { models, refused } = parseModels(body);
      this.#modelsFailures = 0;
      this.#reportRefused(refused);
      const { ready } = pod.health;
      pod.health.modelsRead();
      const same = this.#modelsOnce && ready === pod.health.ready && isDeepStrictEqual(models, pod.models);
      pod.models = models;
      this.#modelsOnce = true;
      if (!same) observer.changed(pod);
    } catch (error) {
      if (this.#closed) return;
      this.#modelsFailures = Math.min(this.#modelsFailures + 1, 16);
      observer.modelsFailed(pod, toFailure(error));
      if (!this.#modelsOnce) {
        this.#modelsOnce = true;
        observer.changed(pod);
      }
    }
  }

  #reportRefused(refused: ReadonlyArray<{ name: string; expected: string }>): void {
    const names = JSON.stringify(refused);
    if (refused.length > 0 && names !== this.#refusedNames) {
      const { address } = this.pod;
      this.#parts.log.warn(
        { endpoint: address, refused: refused.slice(0, 5) },
        "model names that no snapshot can carry",
      );
    }
    this.#refusedNames = names;
  }
}
