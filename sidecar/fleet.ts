// Keeps a scraper for each pod that the sources list.
import type { DirectoryObserver } from "./discover/directory.ts";
import { AUTO, type EngineName, enginesFor } from "./engines/index.ts";
import type { Pod, PodAddress } from "./pod.ts";
import { compileTrie } from "./scrape/metric-trie.ts";
import { MetricsParser } from "./scrape/metrics-parser.ts";
import { ScrapeLimit } from "./scrape/scrape-limit.ts";
import { Scraper } from "./scrape/scraper.ts";
import type { ScraperParts } from "./scrape/scraper-parts.ts";
import { type EnginePrints, enginePrints, type SharedReading } from "./scrape/shared/shared-readings.ts";

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
  /** The prints of this sidecar's engines. */
  readonly prints: EnginePrints;
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
    this.prints = enginePrints(parts.engines);
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

  /** Returns what this sidecar itself has read from its pods after `since`, ms. */
  share(since: number): SharedReading[] {
    const shared: SharedReading[] = [];
    for (const scraper of this.#scrapers.values()) {
      const reading = scraper.share(since);
      if (reading !== undefined) shared.push(reading);
    }
    return shared;
  }

  /**
   * Takes the readings of another sidecar. `source`: its id; `prints`: the prints of its engines; `madeAt`: when it made the readings'
   * ages, ms, by the clock of this sidecar. Pods that this sidecar has not found itself are left out, and readings of engines that the
   * two sidecars read differently. Returns how many readings count.
   */
  receive(source: number, readings: readonly SharedReading[], prints: EnginePrints, madeAt: number): number {
    let used = 0;
    for (const shared of readings) {
      const scraper = this.#scrapers.get(shared.address);
      const engine = shared.reading.engine ?? "";
      const print = Object.hasOwn(this.prints, engine) ? this.prints[engine] : undefined;
      if (scraper === undefined || print === undefined || !Object.hasOwn(prints, engine)) continue;
      const expected = scraper.pod.engine;
      if (print !== prints[engine] || (expected !== AUTO && expected !== engine)) continue;
      scraper.received(source, shared, madeAt - shared.age);
      used++;
    }
    return used;
  }

  /** This sidecar reads the pods for others from now on. */
  takeOver(): void {
    for (const scraper of this.#scrapers.values()) scraper.takeOver();
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
    const scraper = this.#scrapers.get(address);
    if (scraper === undefined) return;
    const { pod } = scraper;
    if (place === undefined) delete pod.place;
    else pod.place = place;
    if (cluster === undefined) delete pod.cluster;
    else pod.cluster = cluster;
    this.#parts.log.info({ endpoint: address, ...cluster }, "endpoint changed");
    scraper.hasten();
  }

  /** Scrapes all pods soon: an Envoy has ejected one of them. */
  hasten(): void {
    for (const scraper of this.#scrapers.values()) scraper.hasten();
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
