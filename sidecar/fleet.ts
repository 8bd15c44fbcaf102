// Keeps a scraper for each pod that the sources list.
import type { DirectoryObserver } from "./discover/directory.ts";
import { type EngineName, enginesFor } from "./engines/index.ts";
import type { Pod, PodAddress } from "./pod.ts";
import { compileTrie } from "./scrape/metric-trie.ts";
import { MetricsParser } from "./scrape/metrics-parser.ts";
import { ScrapeLimit } from "./scrape/scrape-limit.ts";
import { Scraper } from "./scrape/scraper.ts";
import type { ScraperParts } from "./scrape/scraper-parts.ts";

interface FleetObserver {
  /** A source reported its pods, with or without a change. */
  reported(): void;
  vanished(address: string): void;
}

interface FleetParts extends Omit<ScraperParts, "parser" | "limit"> {
  /** Maximum of scrapes at once. */
  concurrency: number;
  /** The URL scheme of pods from a cluster. */
  scheme: "http" | "https";
}

export class Fleet implements DirectoryObserver {
  readonly #parts: FleetParts;
  readonly #observer: FleetObserver;
  readonly #scrapers = new Map<string, Scraper>();
  /** Parsing never awaits, so one parser serves all pods of an engine. */
  readonly #parsers = new Map<EngineName, MetricsParser>();
  readonly #limit: ScrapeLimit;

  constructor(parts: FleetParts, observer: FleetObserver) {
    this.#parts = parts;
    this.#observer = observer;
    this.#limit = new ScrapeLimit(parts.concurrency);
  }

  *pods(): Iterable<Pod> {
    for (const { pod } of this.#scrapers.values()) yield pod;
  }

  get size(): number {
    return this.#scrapers.size;
  }

  /** Whether each pod's metrics, models and probe succeeded or failed at least once. */
  get settled(): boolean {
    for (const scraper of this.#scrapers.values()) if (!scraper.settled) return false;
    return true;
  }

  appeared(found: PodAddress): void {
    let parser = this.#parsers.get(found.engine);
    if (parser === undefined) {
      parser = new MetricsParser(compileTrie(enginesFor(found.engine, this.#parts.engines)));
      this.#parsers.set(found.engine, parser);
    }
    const { scheme } = this.#parts;
    const origin = found.cluster === undefined ? found.origin : found.origin.replace(/^http:/, `${scheme}:`);
    const scraper = new Scraper({ ...found, origin }, { ...this.#parts, parser, limit: this.#limit });
    this.#scrapers.set(found.address, scraper);
    this.#parts.log.info({ endpoint: found.address, engine: found.engine, ...found.cluster }, "endpoint found");
    scraper.start();
  }

  vanished(address: string): void {
    const scraper = this.#scrapers.get(address);
    this.#scrapers.delete(address);
    scraper?.close();
    this.#parts.log.info({ endpoint: address }, "endpoint gone");
    this.#observer.vanished(address);
  }

  updated({ address, cluster, place }: PodAddress): void {
    const pod = this.#scrapers.get(address)?.pod;
    if (pod === undefined) return;
    if (place === undefined) delete pod.place;
    else pod.place = place;
    if (cluster === undefined) delete pod.cluster;
    else pod.cluster = cluster;
    this.#parts.log.info({ endpoint: address, ...cluster }, "endpoint changed");
  }

  reported(): void {
    this.#observer.reported();
  }

  close(): void {
    this.#parts.access.close();
    for (const scraper of this.#scrapers.values()) scraper.close();
    this.#scrapers.clear();
  }
}
