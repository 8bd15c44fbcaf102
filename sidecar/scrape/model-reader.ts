// Reads a pod's /v1/models every `models.interval`, and at once when the pod was down and is back.
import { isDeepStrictEqual } from "node:util";
import { toFailure } from "../http.ts";
import type { Pod } from "../pod.ts";
import { parseModels } from "./model-list.ts";
import type { PodClient } from "./pod-client.ts";
import { jittered, type ScraperParts } from "./scraper-parts.ts";

const PATH = "/v1/models";
const MAX_BYTES = 1 << 20;

export class ModelReader {
  readonly #pod: Pod;
  readonly #client: PodClient;
  readonly #parts: ScraperParts;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #failures = 0;
  #refusedNames = "";
  #settled = false;
  #closed = false;

  constructor(pod: Pod, client: PodClient, parts: ScraperParts) {
    this.#pod = pod;
    this.#client = client;
    this.#parts = parts;
  }

  /** Whether the list was read once, or a read failed once. */
  get settled(): boolean {
    return this.#settled;
  }

  read(): void {
    if (this.#busy || this.#closed) return;
    // After a failed read the wait stays, even if a scrape needs the models.
    if (this.#failures > 0 && this.#timer !== undefined) return;
    clearTimeout(this.#timer);
    this.#busy = true;
    void this.#read().finally(() => {
      this.#busy = false;
      if (this.#closed) return;
      const { options, random } = this.#parts;
      const retry = Math.min(options.pace.intervalMs * 2 ** this.#failures, options.maxBackoffMs);
      const wait = this.#failures > 0 ? Math.min(retry, options.modelsIntervalMs) : options.modelsIntervalMs;
      this.#timer = setTimeout(
        () => {
          this.#timer = undefined;
          this.read();
        },
        jittered(wait, random),
      );
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #read(): Promise<void> {
    const { options, observer } = this.#parts;
    const pod = this.#pod;
    try {
      const { models, refused } = await this.#client.get(PATH, MAX_BYTES, options.timeoutMs, parseModels);
      if (this.#closed) return;
      this.#failures = 0;
      this.#reportRefused(refused);
      const { ready } = pod.health;
      pod.health.modelsRead();
      const same = this.#settled && ready === pod.health.ready && isDeepStrictEqual(models, pod.models);
      if (!same) pod.models = models;
      this.#settled = true;
      if (!same) observer.changed(pod);
    } catch (error) {
      if (this.#closed) return;
      this.#failures = Math.min(this.#failures + 1, 16);
      observer.modelsFailed(pod, toFailure(error));
      if (!this.#settled) {
        this.#settled = true;
        observer.changed(pod);
      }
    }
  }

  #reportRefused(refused: ReadonlyArray<{ name: string; expected: string }>): void {
    const names = JSON.stringify(refused);
    if (refused.length > 0 && names !== this.#refusedNames) {
      const { address } = this.#pod;
      this.#parts.log.warn(
        { endpoint: address, refused: refused.slice(0, 5) },
        "model names left out: they do not fit into a snapshot",
      );
    }
    this.#refusedNames = names;
  }
}
