// Decides from scrapes and probes whether a pod is ready.
//
//   starting ── metrics read and models known ──▶ ready
//   ready    ── a failed scrape ──▶ failing      still ready: one slow response is not an outage
//   failing  ── a good scrape ──▶ ready
//   failing  ── `threshold` failures in a row ──▶ down
//   any      ── connection refused ──▶ down      nothing listens there: the next request would fail
//   down     ── a good scrape ──▶ starting       its models may have changed: they are read again
//
// A pod is ready in the states ready and failing. A probed pod is ready only while its probes succeed as well. A pod that was
// down must pass a new probe.
import type { Failure } from "./http.ts";

type HealthState = "starting" | "ready" | "failing" | "down";

export class Health {
  readonly #threshold: number;
  #state: HealthState = "starting";
  #failures = 0;
  #metrics = false;
  #models = false;
  /** The result of the probes. undefined: the pod is not probed; null: no result yet. */
  #probe: boolean | null | undefined;
  /** Number of probes in a row with the opposite result of #probe. */
  #turning = 0;

  /** After `threshold` failures in a row the pod is down. */
  constructor(threshold: number, probed = false) {
    this.#threshold = threshold;
    if (probed) this.#probe = null;
  }

  get state(): HealthState {
    return this.#state;
  }

  get ready(): boolean {
    const served = this.#state === "ready" || this.#state === "failing";
    return served && (this.#probe === undefined || this.#probe === true);
  }

  /** The result of the probes. undefined: the pod is not probed; null: no result yet. */
  get probe(): boolean | null | undefined {
    return this.#probe;
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
      if (this.#probe !== undefined) this.#probe = null;
      this.#turning = 0;
    } else if (this.#state === "ready") {
      this.#state = "failing";
    }
  }

  probed(good: boolean, { failures, successes }: { failures: number; successes: number }): void {
    if (this.#probe === good) {
      this.#turning = 0;
      return;
    }
    this.#turning++;
    // Before the first result, one failed probe is enough.
    if (this.#turning < (good ? successes : this.#probe === null ? 1 : failures)) return;
    this.#probe = good;
    this.#turning = 0;
  }

  #settle(): void {
    if (this.#state === "starting" && this.#metrics && this.#models) this.#state = "ready";
  }
}
