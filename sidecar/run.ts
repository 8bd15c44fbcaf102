// Puts the parts together: discover ─▶ scrape ─▶ snapshot ─▶ push, and the sidecar's own endpoints.
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "./clock.ts";
import type { Config } from "./config/schema.ts";
import { Directory } from "./discover/directory.ts";
import { type Resolve, resolveSystem } from "./discover/dns.ts";
import { WATCH_TIMES, type WatchTimes } from "./discover/kubernetes-watch.ts";
import type { ClusterSeen } from "./discover/source.ts";
import { sourcesOf } from "./discover/sources.ts";
import { Fleet } from "./fleet.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { Pod } from "./pod.ts";
import { Target } from "./push/target.ts";
import type { ScrapeObserver } from "./scrape/scraper.ts";
import { type Readiness, startServer } from "./server.ts";
import { SnapshotSource } from "./snapshot/source.ts";

export interface SidecarParts {
  log?: Log;
  clock?: Clock;
  random?: () => number;
  resolve?: Resolve;
  watchTimes?: WatchTimes;
}

export interface Sidecar {
  /** Where its own endpoints are. */
  url: string;
  /** The pods as they are known now. */
  pods(): Pod[];
  readiness(): Readiness;
  /** What clusters and manifests say; snapshots carry only the endpoints that follow from it. */
  objects(): ClusterSeen[];
  close(): Promise<void>;
}

/** Without an accepted push for this long, the sidecar is not ready. */
const READY_PUSH_MS = 5000;
/** Pods that do not answer at the start hold the first push back no longer than this. */
const START_GRACE_MS = 2000;

/** Resolves when its own endpoints listen; discovery, scraping and pushing have begun then. */
export async function startSidecar(config: Config, parts: SidecarParts = {}): Promise<Sidecar> {
  const {
    log = createLog(config.log.level),
    clock = systemClock,
    random = Math.random,
    resolve = resolveSystem,
    watchTimes = WATCH_TIMES,
  } = parts;
  const targets: Target[] = [];
  const metrics = createMetrics({ pods: () => fleet.pods(), targets: () => targets }, clock);
  const snapshots = new SnapshotSource(
    () => fleet.pods(),
    config.models.static,
    clock,
    randomBytes(8).readBigUInt64LE(),
  );

  let pushing = false;
  /** A first push with half of the models would make a filter that knew them all forget the other half. */
  const mayPush = (graceOver: boolean): boolean => {
    if (directory.awaited.length === 0 && fleet.settled) return true;
    return graceOver && (fleet.size > 0 || directory.awaited.length === 0);
  };
  let graceOver = false;
  const changed = (): void => {
    snapshots.changed();
    if (pushing) {
      for (const target of targets) target.changed();
    } else if (mayPush(graceOver)) {
      pushing = true;
      for (const target of targets) target.start();
    }
  };

  const observer: ScrapeObserver = {
    scraped: (pod, seconds) => metrics.scraped(pod.address, seconds),
    scrapeFailed(pod, failure) {
      metrics.scrapeFailed(pod.address, failure.reason);
      const { failures, state } = pod.health;
      if (failures === 1)
        log.warn({ endpoint: pod.address, state, reason: failure.reason, error: failure.message }, "scrape failed");
    },
    modelsFailed(pod, failure) {
      metrics.modelsFailed(pod.address, failure.reason);
      log.debug({ endpoint: pod.address, reason: failure.reason, error: failure.message }, "models not read");
    },
    changed,
  };
  const fleet = new Fleet(
    {
      options: {
        intervalMs: config.scrape.interval,
        timeoutMs: config.scrape.timeout,
        path: config.scrape.path,
        maxBytes: config.scrape.maxBytes,
        failures: config.scrape.failures,
        maxBackoffMs: config.scrape.maxBackoff,
        modelsIntervalMs: config.models.interval,
        modelsDiscovered: config.models.discover,
      },
      clock,
      log,
      random,
      observer,
    },
    { reported: changed, vanished: (address) => metrics.forget(address) },
  );
  const sources = sourcesOf(config, {
    log,
    failed: (source) => metrics.discoveryFailed(source),
    resolve,
    random,
    watchTimes,
  });
  const directory = new Directory(sources, fleet);
  const objects = (): ClusterSeen[] => sources.flatMap((source) => source.seen?.() ?? []);

  const { push } = config;
  for (const { origin } of push.targets) {
    const options = {
      path: push.path,
      secret: push.secret,
      intervalMs: push.interval,
      heartbeatMs: push.heartbeat,
      timeoutMs: push.timeout,
      retryMinMs: push.retryMin,
      retryMaxMs: push.retryMax,
    };
    targets.push(new Target(origin, { options, snapshots, clock, log, random, pushed: metrics.pushed }));
  }

  const readiness = (): Readiness => {
    const reasons = directory.awaited.map((source) => `no answer yet from ${source}`);
    const limit = Math.max(READY_PUSH_MS, 4 * push.heartbeat);
    const fresh = targets.some(({ acceptedAt }) => acceptedAt !== null && clock.now() - acceptedAt < limit);
    if (!fresh) {
      const each = targets.map(({ origin, lastResult }) => `${origin}: ${lastResult ?? "nothing pushed yet"}`);
      reasons.push(`no target took a snapshot in the last ${limit} ms (${each.join(", ")})`);
    }
    return { ready: reasons.length === 0, reasons };
  };

  const server = await startServer(config.listen, {
    registry: metrics.registry,
    readiness,
    objects: () => ({ sources: objects() }),
  });
  log.info({ url: server.url, targets: targets.map((target) => target.origin) }, "sidecar listens");
  directory.start();
  const grace = setTimeout(() => {
    graceOver = true;
    if (!pushing) changed();
  }, START_GRACE_MS);

  let closing: Promise<void> | undefined;
  return {
    url: server.url,
    pods: () => [...fleet.pods()],
    readiness,
    objects,
    close() {
      closing ??= (async () => {
        clearTimeout(grace);
        directory.close();
        await Promise.all([fleet.close(), server.close(), ...targets.map((target) => target.close())]);
        log.info({}, "sidecar ended");
      })();
      return closing;
    },
  };
}
