// The scrapes of an endpoint picker, which asks each pod for its whole page every 50 ms, whatever its plugins read.
import type { World } from "../world.ts";

const SCRAPE_MS = 50;

/** Scrapes all pods now and from now on. `read` takes what the pages show. */
export function scrapeAsPicker(world: World, read: () => void = () => {}): void {
  const scrape = () => {
    for (const pod of world.pods.keys()) world.scrape(pod, "whole");
    read();
  };
  scrape();
  world.every(SCRAPE_MS, scrape);
}
