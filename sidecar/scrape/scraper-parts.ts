// The options, tools and observer that a pod's scraper, its model reader and its probe share.
import type { Clock } from "../clock.ts";
import type { Access } from "../credentials/access.ts";
import type { EngineTable } from "../engines/index.ts";
import type { HttpFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { Pod } from "../pod.ts";
import type { MetricsParser } from "./metrics-parser.ts";
import type { ScrapeLimit } from "./scrape-limit.ts";
import type { PaceOptions } from "./timing/scrape-pace.ts";

export interface ProbeOptions {
  intervalMs: number;
  timeoutMs: number;
  /** Failures in a row after which the pod is not ready. */
  failures: number;
  /** Successes in a row after which the pod is ready again. */
  successes: number;
}

export interface ScrapeOptions {
  pace: PaceOptions;
  timeoutMs: number;
  path: string;
  /** Whether pods are asked for the used metrics only, where they honour it. */
  restrict: boolean;
  maxBytes: number;
  failures: number;
  maxBackoffMs: number;
  modelsIntervalMs: number;
  /** Whether pods are asked for their models; false: the configuration names all models. */
  modelsDiscovered: boolean;
  /** Options of probes; undefined: no active probes. `path` replaces the path of the engine's table. */
  probe?: (ProbeOptions & { path?: string | undefined }) | undefined;
}

/** What the sidecar knows of the requests that Envoys have on pods. */
export interface KnownTraffic {
  /** In-flight requests of all Envoys on a pod, by their last reports; undefined: no Envoy reports. `hash`: of the pod's address. */
  inFlight(hash: bigint): number | undefined;
  /** All Envoys have reported since this time, Clock.now(). */
  reportedSince(): number;
  /** Whether picks or admission of an Envoy use the queues of scrapes. */
  usesQueues(): boolean;
}

export interface ScrapeObserver {
  scraped(pod: Pod, seconds: number): void;
  /** Another sidecar sent what it read from the pod, which took `seconds` to answer. */
  received(pod: Pod, seconds: number): void;
  scrapeFailed(pod: Pod, failure: HttpFailure): void;
  modelsFailed(pod: Pod, failure: HttpFailure): void;
  probeFailed(pod: Pod, failure: HttpFailure): void;
  /** A scrape waits, because ScrapeLimit allows no further scrape now. */
  crowded(pod: Pod): void;
  /** A value of the pod in the snapshot changed. */
  changed(pod: Pod): void;
}

export interface ScraperParts {
  options: ScrapeOptions;
  parser: MetricsParser;
  engines: EngineTable;
  access: Access;
  limit: ScrapeLimit;
  traffic: KnownTraffic;
  /** Whether the learner wants fast scrapes of the pod. */
  learns: (pod: Pod) => boolean;
  clock: Clock;
  log: Log;
  /** Returns a number from 0 to 1. It spreads the scrapes of all pods over the interval. */
  random: () => number;
  observer: ScrapeObserver;
}

const JITTER = 0.1;

/** Returns a factor from 0.9 to 1.1, so that what began together drifts apart. `random`: returns 0 to 1. */
export function spread(random: () => number): number {
  return 1 + JITTER * (2 * random() - 1);
}

/** Returns `ms`, changed by up to 10 % either way. `random`: returns 0 to 1. */
export function jittered(ms: number, random: () => number): number {
  return ms * spread(random);
}
