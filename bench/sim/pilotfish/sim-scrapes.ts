// The scrapes of a sidecar in the simulation: each pod has a timer of its own, and the pace of the real sidecar.

import { ScrapeCost } from "../../../sidecar/scrape/page/scrape-cost.ts";
import { spread } from "../../../sidecar/scrape/scraper-parts.ts";
import { Pace, type PaceOptions } from "../../../sidecar/scrape/timing/scrape-pace.ts";
import type { World } from "../world.ts";
import { READ_MS } from "./delays.ts";

/** Ms of a time to answer that are no time of the pod. */
const NETWORK_MS = 1;

interface SimScrapesParts {
  world: World;
  pace: PaceOptions;
  random(): number;
  /** Reads a pod. Returns whether its adapters with requests are others than before, and the ms until the page is whole. */
  read(pod: number): { changed: boolean; ms: number };
  /** The sidecar has what was read last. */
  arrived(pod: number): void;
  /** Requests of all Envoys on a pod by their last reports, and since when each Envoy has reported. */
  inFlight(pod: number): number | undefined;
  reportedSince(): number;
  usesQueues(): boolean;
  learns(pod: number): boolean;
}

export class SimScrapes {
  readonly #parts: SimScrapesParts;
  readonly #paces: Pace[];
  readonly #costs: ScrapeCost[];
  #scrapes = 0;

  constructor(parts: SimScrapesParts) {
    this.#parts = parts;
    this.#costs = parts.world.pods.map(() => new ScrapeCost());
    this.#paces = parts.world.pods.map(() => new Pace(parts.pace));
  }

  /** How many scrapes began. */
  get scrapes(): number {
    return this.#scrapes;
  }

  start(): void {
    const { world, pace, random } = this.#parts;
    for (const pod of world.pods.keys()) world.after(pace.intervalMs * random(), () => this.#scrape(pod));
  }

  #scrape(pod: number): void {
    const { world, read, arrived, inFlight, random } = this.#parts;
    if (world.isOver()) return;
    const at = world.now();
    const pace = this.#paces[pod] as Pace;
    pace.begins(inFlight(pod));
    this.#scrapes++;
    const { changed, ms } = read(pod);
    this.#costs[pod]?.scraped(at, ms + NETWORK_MS, 0);
    const { waiting, running } = (world.pods[pod] as World["pods"][number]).stats;
    world.after(READ_MS, () => {
      const jitter = spread(random);
      pace.scraped({ startedAt: at, endedAt: world.now(), requests: waiting + running, changed, jitter });
      arrived(pod);
      this.#again(pod);
    });
  }

  #again(pod: number): void {
    const { world, inFlight, reportedSince, usesQueues, learns } = this.#parts;
    if (world.isOver()) return;
    const input = {
      inFlight: inFlight(pod),
      reportedSince,
      costMs: this.#costs[pod]?.leastMs ?? 0,
      usesQueues: usesQueues(),
      learns: learns(pod),
    };
    const wait = (this.#paces[pod] as Pace).waitMs(world.now(), input);
    if (wait === 0) this.#scrape(pod);
    else world.after(wait, () => this.#again(pod));
  }
}
