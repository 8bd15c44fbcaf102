// A pod's page reader without a scraper around it: the test says when it scrapes, and sets the clock.
import { Access } from "../../sidecar/credentials/access.ts";
import { AUTO, ENGINES, enginesFor } from "../../sidecar/engines/index.ts";
import type { Reading } from "../../sidecar/engines/reading.ts";
import { compileTrie } from "../../sidecar/scrape/metric-trie.ts";
import { MetricsParser } from "../../sidecar/scrape/metrics-parser.ts";
import { PageReader } from "../../sidecar/scrape/page/page-reader.ts";
import { PodClient } from "../../sidecar/scrape/pod-client.ts";
import type { ScraperParts } from "../../sidecar/scrape/scraper-parts.ts";

export const allEngines = new MetricsParser(compileTrie(enginesFor(AUTO, ENGINES)));

interface Scrapes {
  reader: PageReader;
  /** Scrapes once, `ms` later by the clock, as a scraper does. */
  scrape(ms?: number): Promise<Reading>;
  close(): void;
}

export interface ScrapesOptions {
  path?: string;
  gzip?: boolean;
  restrict?: boolean;
  timeoutMs?: number;
}

/** Makes a page reader of the pod at `url`. */
export function pageReader(
  url: string,
  { path = "/metrics", gzip = false, restrict = true, timeoutMs = 10_000 }: ScrapesOptions = {},
): Scrapes {
  const client = new PodClient(url, url, new Access({ tls: { verify: true }, gzip }));
  let now = 1000;
  const options = { path, restrict, timeoutMs, maxBytes: 1 << 20 };
  const clock = { now: () => now, epochMicros: () => 0n };
  const parts = { options, parser: allEngines, engines: ENGINES, clock } as ScraperParts;
  const reader = new PageReader(client, path, parts);
  return {
    reader,
    async scrape(ms = 1000) {
      now += ms;
      const { reading } = await reader.read();
      if (reader.tryDue) await reader.tryRestricted();
      return reading;
    },
    close: () => client.close(),
  };
}
