// Whether a pod may be sent requests, as far as its scrapes tell.
//
//   starting ── metrics read and models known ──▶ ready
//   ready    ── a failed scrape ──▶ failing      still ready: one slow answer is no outage
//   failing  ── a good scrape ──▶ ready
//   failing  ── `threshold` failures in a row ──▶ down
//   any      ── connection refused ──▶ down      nothing listens there: the next request would fail as well
//   down     ── a good scrape ──▶ starting       it may have come back with other models: they are read again
//
// ready and failing are ready; starting and down are not. Where pods are probed, a pod is ready only while its probes
// succeed as well; one that was down must pass a probe anew.
import type { Failure } from "./http.ts";

type HealthState = "starting" | "ready" | "failing" | "down";

export class Health {
  readonly #threshold: number;
  #state: HealthState = "starting";
  #failures = 0;
  #metrics = false;
  #models = false;
  /** undefined: nobody probes. null: not known yet. */
  #probe: boolean | null | undefined;
  /** Probes in a row that say the other thing than #probe. */
  #turning = 0;

  /** `threshold` failures in a row take a pod down. */
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

  /** What the probes say: null where they have not said yet, undefined where there are none. */
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
    // Of a pod of which nothing is known a single failure says that it is not up.
    if (this.#turning < (good ? successes : this.#probe === null ? 1 : failures)) return;
    this.#probe = good;
    this.#turning = 0;
  }

  #settle(): void {
    if (this.#state === "starting" && this.#metrics && this.#models) this.#state = "ready";
  }
}
