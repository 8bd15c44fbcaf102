// Joins all pod sources. A pod exists as long as one source lists the pod.
import { isDeepStrictEqual } from "node:util";
import type { PodAddress } from "../pod.ts";
import type { PodSource } from "./pod-source.ts";

export interface DirectoryObserver {
  appeared(pod: PodAddress): void;
  vanished(address: string): void;
  /** The pod's place or its state in the cluster changed. */
  updated(pod: PodAddress): void;
  /** A source reported, with or without a change. Called after appeared, vanished and updated. */
  reported(): void;
}

export class Directory {
  readonly #sources: readonly PodSource[];
  readonly #observer: DirectoryObserver;
  /** The last report of each source; undefined: no report yet. */
  readonly #reports: Array<readonly PodAddress[] | undefined>;
  #known = new Map<string, PodAddress>();

  constructor(sources: readonly PodSource[], observer: DirectoryObserver) {
    this.#sources = sources;
    this.#observer = observer;
    this.#reports = sources.map(() => undefined);
  }

  /** Names of the sources without a report. */
  get awaited(): string[] {
    return this.#sources.filter((_, i) => this.#reports[i] === undefined).map((source) => source.name);
  }

  start(): void {
    for (const [i, source] of this.#sources.entries()) {
      source.start((pods) => {
        this.#reports[i] = pods;
        this.#merge();
      });
    }
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  #merge(): void {
    const next = new Map<string, PodAddress>();
    for (const pods of this.#reports) {
      // The first source that lists an address decides its origin, engine and probe.
      for (const pod of pods ?? []) if (!next.has(pod.address)) next.set(pod.address, pod);
    }
    const before = this.#known;
    this.#known = next;
    for (const [address, pod] of before) if (!sameScrape(next.get(address), pod)) this.#observer.vanished(address);
    for (const [address, pod] of next) {
      const known = before.get(address);
      if (known === undefined || !sameScrape(known, pod)) this.#observer.appeared(pod);
      else if (known.place !== pod.place || !isDeepStrictEqual(known.cluster, pod.cluster)) this.#observer.updated(pod);
    }
    this.#observer.reported();
  }
}

/** Whether `b` is scraped in the same way as `a`. If not, the pod vanishes and appears again. */
function sameScrape(a: PodAddress | undefined, b: PodAddress): boolean {
  return a !== undefined && a.engine === b.engine && isDeepStrictEqual(a.probe, b.probe);
}
