// Turns the configuration into the options of scrapers, and handles the events that scrapers report.
import type { Config } from "../config/schema.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Pod } from "../pod.ts";
import type { ScrapeObserver, ScrapeOptions } from "../scrape/scraper-parts.ts";

export function scrapeOptions({ scrape, models, health }: Config): ScrapeOptions {
  return {
    pace: { intervalMs: scrape.interval, maxIntervalMs: scrape.maxInterval, share: scrape.share },
    timeoutMs: scrape.timeout,
    path: scrape.path,
    restrict: scrape.restrict,
    maxBytes: scrape.maxBytes,
    failures: scrape.failures,
    maxBackoffMs: scrape.maxBackoff,
    modelsIntervalMs: models.interval,
    modelsDiscovered: models.discover,
    probe: probeOf(health),
  };
}

function probeOf(health: Config["health"]): ScrapeOptions["probe"] {
  if (!health.probe) return undefined;
  const { path, interval: intervalMs, timeout: timeoutMs, failures, successes } = health;
  return { path, intervalMs, timeoutMs, failures, successes };
}

interface ObserverParts {
  metrics: Metrics;
  log: Log;
  /** A scrape of the pod took `seconds`. The time is used as a round trip to the pod's place. */
  measured(pod: Pod, seconds: number): void;
  /** Another sidecar's scrape of the pod took `seconds`. */
  received(pod: Pod, seconds: number): void;
  changed(): void;
}

/**
 * Returns an observer that counts and logs scrapes and their failures. Only the first of several failures in a row is a
 * warning.
 */
export function observerOf({ metrics, log, measured, received, changed }: ObserverParts): ScrapeObserver {
  return {
    scraped(pod, seconds) {
      metrics.scraped(pod.address, seconds);
      measured(pod, seconds);
    },
    received,
    scrapeFailed({ address: endpoint, health }, { reason, message: error }) {
      metrics.scrapeFailed(endpoint, reason);
      if (health.failures === 1) log.warn({ endpoint, state: health.state, reason, error }, "scrape failed");
    },
    modelsFailed({ address: endpoint }, { reason, message: error }) {
      metrics.modelsFailed(endpoint, reason);
      log.debug({ endpoint, reason, error }, "models not read");
    },
    probeFailed({ address: endpoint }, { reason, message: error }) {
      metrics.probeFailed(endpoint, reason);
      log.debug({ endpoint, reason, error }, "probe failed");
    },
    crowded: () => metrics.crowded(),
    changed,
  };
}
