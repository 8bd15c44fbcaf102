// Probes one pod. A server with a dead engine often still shows metrics, and a starting server shows metrics before it can
// serve. Probes run only with `health.probe` or a HealthCheckPolicy; without them the scrapes decide.
import { type HttpFailure, toFailure } from "../http.ts";
import type { Pod } from "../pod.ts";
import type { PodClient } from "./pod-client.ts";
import { jittered, type ProbeOptions, type ScraperParts } from "./scraper-parts.ts";

const MAX_BYTES = 1 << 16;

export class Probe {
  readonly #pod: Pod;
  readonly #client: PodClient;
  readonly #path: () => string;
  readonly #options: ProbeOptions;
  readonly #parts: ScraperParts;
  #timer: NodeJS.Timeout | undefined;
  #settled = false;
  #closed = false;

  constructor(pod: Pod, client: PodClient, path: () => string, options: ProbeOptions, parts: ScraperParts) {
    this.#pod = pod;
    this.#client = client;
    this.#path = path;
    this.#options = options;
    this.#parts = parts;
  }

  get settled(): boolean {
    return this.#settled;
  }

  start(): void {
    void this.#probe();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #probe(): Promise<void> {
    const { clock, observer, random } = this.#parts;
    const { intervalMs, timeoutMs } = this.#options;
    const { health } = this.#pod;
    const started = clock.now();
    const before = health.ready;
    let failure: HttpFailure | undefined;
    try {
      await this.#client.get(this.#path(), MAX_BYTES, timeoutMs, () => undefined);
    } catch (error) {
      failure = toFailure(error);
    }
    if (this.#closed) return;
    health.probed(failure === undefined, this.#options);
    if (failure !== undefined) observer.probeFailed(this.#pod, failure);
    if (before !== health.ready || !this.#settled) {
      this.#settled = true;
      observer.changed(this.#pod);
    }
    const wait = jittered(intervalMs, random) - (clock.now() - started);
    this.#timer = setTimeout(() => void this.#probe(), Math.max(0, wait));
  }
}
