// Whether a pod may be sent requests, as far as its scrapes tell.
//
//   starting ── metrics read and models known ──▶ ready
//   ready    ── a failed scrape ──▶ failing      still ready: one slow answer is no outage
//   failing  ── a good scrape ──▶ ready
//   failing  ── `threshold` failures in a row ──▶ down
//   any      ── connection refused ──▶ down      nothing listens there: the next request would fail as well
//   down     ── a good scrape ──▶ starting       it may have come back with other models: they are read again
//
// ready and failing are ready; starting and down are not.
import type { Failure } from "./http.ts";

export type HealthState = "starting" | "ready" | "failing" | "down";

export class Health {
  readonly #threshold: number;
  #state: HealthState = "starting";
  #failures = 0;
  #metrics = false;
  #models = false;

  /** `threshold` failures in a row take a pod down. */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  get state(): HealthState {
    return this.#state;
  }

  get ready(): boolean {
    return this.#state === "ready" || this.#state === "failing";
  }

  get failures(): number {
    return this.#failures;
  }

  /** Whether the pod's models must be read before it can be ready. */
  get needsModels(): boolean {
    return !this.#models;
  }

  scraped(): void {
    this.#failures = 0;
    this.#metrics = true;
    if (this.#state === "down") this.#state = "starting";
    if (this.#state === "failing") this.#state = "ready";
    this.#settle();
  }

  modelsRead(): void {
    this.#models = true;
    this.#settle();
  }

  failed(reason: Failure): void {
    this.#failures++;
    if (reason === "refused" || this.#failures >= this.#threshold) {
      this.#state = "down";
      this.#metrics = false;
      this.#models = false;
    } else if (this.#state === "ready") {
      this.#state = "failing";
    }
  }

  #settle(): void {
    if (this.#state === "starting" && this.#metrics && this.#models) this.#state = "ready";
  }
}
