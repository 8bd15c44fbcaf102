// Clients that each send the next request after the last answer. The number of requests in flight is constant, so a slow machine
// does not fill a region more.
import { setTimeout as sleep } from "node:timers/promises";
import type { PodParams } from "../../simulator/params.ts";
import { type Answer, post } from "../../testkit/http.ts";

/** A step takes 50 ms, and the cache has room for 1,600 tokens: 12 requests of these clients fill 60 % of the cache. */
export const PARAMS: Partial<PodParams> = {
  stepBaseMs: 50,
  prefillTokenMs: 0,
  sequenceMs: 0,
  contextTokenMs: 0,
  kvBlocks: 100,
  blockSize: 16,
  slots: 64,
};

const LONGEST_MS = 120_000;

interface Outcome {
  answered: number;
  /** Number of failures by status or by the client's error. */
  failed: Map<string, number>;
  byRegion: Map<string, number>;
}

export class Load {
  readonly outcome: Outcome = { answered: 0, failed: new Map(), byRegion: new Map() };
  readonly #clients: Promise<unknown>;
  #sent = 0;
  #stopped = false;

  constructor(url: string, clients: number) {
    const until = performance.now() + LONGEST_MS;
    this.#clients = Promise.all(Array.from({ length: clients }, (_, i) => this.#client(url, i, until)));
  }

  get failures(): number {
    return [...this.outcome.failed.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Sends no more requests. Resolves when all are answered. */
  async stop(): Promise<Outcome> {
    this.#stopped = true;
    await this.#clients;
    return this.outcome;
  }

  /** The clients begin one after the other. They end after LONGEST_MS even if a failed test does not stop them. */
  async #client(url: string, i: number, until: number): Promise<void> {
    await sleep(i * 60);
    while (!this.#stopped && performance.now() < until) {
      const failed = this.failures;
      await this.#send(url, this.#sent++);
      if (this.failures > failed) await sleep(100);
    }
  }

  /** A request with a unique prompt of 64 tokens and an answer of 20 to 60 tokens, which takes one to three seconds. */
  async #send(url: string, i: number): Promise<void> {
    const content = `${String(i).padStart(8, "0")} ${"a prompt that is all its own ".repeat(9)}`.slice(0, 256);
    const body = { model: "m", messages: [{ role: "user", content }], max_tokens: 20 + ((i * 17) % 41) };
    try {
      this.#count(await post(url, body));
    } catch (error) {
      this.#fail((error as NodeJS.ErrnoException).code ?? String(error));
    }
  }

  #count({ status, pod }: Answer): void {
    if (status !== 200) {
      this.#fail(String(status));
      return;
    }
    this.outcome.answered++;
    const region = pod?.split("-")[0] ?? "";
    this.outcome.byRegion.set(region, (this.outcome.byRegion.get(region) ?? 0) + 1);
  }

  #fail(why: string): void {
    this.outcome.failed.set(why, (this.outcome.failed.get(why) ?? 0) + 1);
  }
}

/** Calls `read` every 50 ms for `ms`. */
export async function watch<T>(ms: number, read: () => T): Promise<T[]> {
  const seen: T[] = [];
  for (const end = performance.now() + ms; performance.now() < end; await sleep(50)) seen.push(read());
  return seen;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
