// The pace of one pod's scrapes (scrape-pace.ts), with what the sidecar knows of the pod now.
import { textHash } from "../../../protocol/traffic.ts";
import { sameAdapters } from "../../engines/reading.ts";
import type { Pod } from "../../pod.ts";
import { type ScraperParts, spread } from "../scraper-parts.ts";
import { Pace, type PaceInput } from "./scrape-pace.ts";

export class PodPace {
  readonly #pod: Pod;
  readonly #parts: ScraperParts;
  readonly #pace: Pace;
  readonly #hash: bigint;
  #startedAt = 0;

  constructor(pod: Pod, parts: ScraperParts) {
    this.#pod = pod;
    this.#parts = parts;
    this.#pace = new Pace(parts.options.pace);
    this.#hash = textHash(pod.address);
  }

  /** When the last scrape began, Clock.now(). */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Call when a scrape begins. */
  begins(): void {
    this.#startedAt = this.#parts.clock.now();
    this.#pace.begins(this.#parts.traffic.inFlight(this.#hash));
  }

  /** Call after a good scrape, when the pod has its new reading. `before`: the reading before. */
  scraped(before: Pod["reading"]): void {
    const { clock, random } = this.#parts;
    const { reading } = this.#pod;
    const { waiting = null, running = null } = reading ?? {};
    const requests = waiting === null && running === null ? null : (waiting ?? 0) + (running ?? 0);
    if (before !== null && before.counters.startedAt !== reading?.counters.startedAt) this.#pace.restart();
    const changed = before !== null && !sameAdapters(before.adapters, reading?.adapters ?? null);
    const jitter = spread(random);
    this.#pace.scraped({ startedAt: this.#startedAt, endedAt: clock.now(), requests, changed, jitter });
  }

  /** Returns the ms until the next scrape; 0: now. Ask again after this time. */
  waitMs(): number {
    const wait = this.#pace.waitMs(this.#parts.clock.now(), this.#input());
    this.#pod.paceMs = this.#pace.plannedMs;
    return wait;
  }

  #input(): PaceInput {
    const { traffic, learns } = this.#parts;
    return {
      inFlight: traffic.inFlight(this.#hash),
      reportedSince: () => traffic.reportedSince(),
      costMs: this.#pod.cost?.leastMs ?? 0,
      usesQueues: traffic.usesQueues(),
      learns: learns(this.#pod),
    };
  }
}
