// All sources together: a pod is there as long as one of them lists it.
import { isDeepStrictEqual } from "node:util";
import type { PodAddress } from "../pod.ts";
import type { Source } from "./pod-source.ts";

export interface DirectoryObserver {
  appeared(pod: PodAddress): void;
  vanished(address: string): void;
  /** The cluster says something else of it than before. */
  updated(pod: PodAddress): void;
  /** A source told its pods, new or not; after all that appeared and vanished by it. */
  reported(): void;
}

export class Directory {
  readonly #sources: readonly Source[];
  readonly #observer: DirectoryObserver;
  /** One entry per source; undefined until it reported. */
  readonly #reports: Array<readonly PodAddress[] | undefined>;
  #known = new Map<string, PodAddress>();

  constructor(sources: readonly Source[], observer: DirectoryObserver) {
    this.#sources = sources;
    this.#observer = observer;
    this.#reports = sources.map(() => undefined);
  }

  /** Names of the sources that have not answered yet. */
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
      // The first source that lists an address says how it is spoken to.
      for (const pod of pods ?? []) if (!next.has(pod.address)) next.set(pod.address, pod);
    }
    const before = this.#known;
    this.#known = next;
    for (const [address, pod] of before) if (!readAlike(next.get(address), pod)) this.#observer.vanished(address);
    for (const [address, pod] of next) {
      const known = before.get(address);
      if (known === undefined || !readAlike(known, pod)) this.#observer.appeared(pod);
      else if (known.place !== pod.place || !isDeepStrictEqual(known.cluster, pod.cluster)) this.#observer.updated(pod);
    }
    this.#observer.reported();
  }
}

/** What is not is read anew, as if it were another pod. */
function readAlike(a: PodAddress | undefined, b: PodAddress): boolean {
  return a !== undefined && a.engine === b.engine && isDeepStrictEqual(a.probe, b.probe);
}
