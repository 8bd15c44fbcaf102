// What a pod's scraper is made of, and whom it reports to: shared by the scraper, its model reader and its probe.
import type { Clock } from "../clock.ts";
import type { Access } from "../credentials/access.ts";
import type { EngineTable } from "../engines/index.ts";
import type { HttpFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { Pod } from "../pod.ts";
import type { MetricsParser } from "./metrics-parser.ts";
import type { Gate } from "./scrape-limit.ts";

export interface ProbeOptions {
  intervalMs: number;
  timeoutMs: number;
  /** In a row, until a pod is taken out. */
  failures: number;
  /** In a row, until it is back. */
  successes: number;
}

export interface ScrapeOptions {
  intervalMs: number;
  timeoutMs: number;
  path: string;
  maxBytes: number;
  failures: number;
  maxBackoffMs: number;
  modelsIntervalMs: number;
  /** false: models come from the configuration only. */
  modelsDiscovered: boolean;
  /** undefined: no active probes. `path` in place of the engine's own. */
  probe?: (ProbeOptions & { path?: string | undefined }) | undefined;
}

export interface ScrapeObserver {
  scraped(pod: Pod, seconds: number): void;
  scrapeFailed(pod: Pod, failure: HttpFailure): void;
  modelsFailed(pod: Pod, failure: HttpFailure): void;
  probeFailed(pod: Pod, failure: HttpFailure): void;
  /** A scrape found no room among those under way, and waits. */
  crowded(pod: Pod): void;
  /** Something that a snapshot says about the pod is different now. */
  changed(pod: Pod): void;
}

export interface ScraperParts {
  options: ScrapeOptions;
  parser: MetricsParser;
  engines: EngineTable;
  access: Access;
  gate: Gate;
  clock: Clock;
  log: Log;
  /** 0 to 1, to spread the pods over the interval. */
  random: () => number;
  observer: ScrapeObserver;
}

const JITTER = 0.1;

/** `ms` changed by up to 10 % either way, so that pods that began together drift apart. `random`: 0 to 1. */
export function jittered(ms: number, random: () => number): number {
  return ms * (1 + JITTER * (2 * random() - 1));
}
