// Puts the parts together: discover ─▶ scrape ─▶ snapshot ─▶ push. A run is all that follows from one configuration;
// sidecar.ts begins one, and the next one at a reload.
import type { Clock } from "./clock.ts";
import type { Config } from "./config/schema.ts";
import { Access } from "./credentials/access.ts";
import { Secrets } from "./credentials/secrets.ts";
import { Directory } from "./discover/directory.ts";
import type { Resolve } from "./discover/dns.ts";
import { sourcesOf } from "./discover/from-config.ts";
import { Fleet } from "./fleet.ts";
import type { ClusterSeen } from "./kubernetes/cluster-objects.ts";
import type { WatchTimes } from "./kubernetes/watch.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { Neighbours } from "./peers/neighbours.ts";
import type { Pod } from "./pod.ts";
import { Envoys } from "./push/envoys.ts";
import type { Target } from "./push/target.ts";
import type { ScrapeObserver, ScrapeOptions } from "./scrape/scraper-parts.ts";
import type { ModelMemory } from "./snapshot/memory.ts";
import { type ClusterObjects, objectsOf } from "./snapshot/objects.ts";
import { SnapshotSource } from "./snapshot/source.ts";
import type { Readiness } from "./status/status.ts";

export interface SidecarParts {
  log?: Log;
  clock?: Clock;
  random?: () => number;
  resolve?: Resolve;
  watchTimes?: WatchTimes;
}

/** What follows from one configuration. */
export interface Run {
  config: Config;
  readonly targets: readonly Target[];
  accessTo: Envoys["accessTo"];
  /** Resolves when a target took its first push, a second after it tried in vain, or when it was closed before. */
  pushing: Promise<void>;
  pods(): Pod[];
  readiness(): Readiness;
  objects(): ClusterSeen[];
  /** What peers are told: undefined without the secret. */
  view(secret: string | undefined, sums: boolean): object | undefined;
  /** As it would be pushed now; undefined without the secret. */
  snapshot(secret: string | undefined): Uint8Array | undefined;
  close(): Promise<void>;
}

/** What outlives a configuration: a reload must not forget what is scaled to zero, and is no other producer to the filters. */
export type RunParts = Required<SidecarParts> & { metrics: Metrics; memory: ModelMemory; source: bigint };

/** Without an accepted push for this long, the sidecar is not ready. */
const READY_PUSH_MS = 5000;
/** A reload waits no longer than this for a target to take the new configuration's first push. */
const FIRST_PUSH_MS = 1000;
/** Pods that do not answer at the start hold the first push back no longer than this. */
const START_GRACE_MS = 2000;

function probeOf({ health }: Config): ScrapeOptions["probe"] {
  if (!health.probe) return undefined;
  const { path, interval: intervalMs, timeout: timeoutMs, failures, successes } = health;
  return { path, intervalMs, timeoutMs, failures, successes };
}

/** Whether at least half of the pods that should answer do: a sidecar that is cut off from them gives way to another one. */
function mostAnswer(pods: Iterable<Pod>, now: number, { scrape }: Config): boolean {
  const limit = Math.max(1000, 5 * scrape.interval) + scrape.timeout;
  let asked = 0;
  let answered = 0;
  for (const { cluster, scrapedAt } of pods) {
    if (cluster?.ready === false) continue;
    asked++;
    if (scrapedAt !== null && now - scrapedAt < limit) answered++;
  }
  return answered * 2 >= asked;
}

/** Throws a ConfigError when a file that the configuration names cannot be read. */
export function startRun(config: Config, parts: RunParts): Run {
  const { log, clock, random, resolve, watchTimes, metrics, memory, source } = parts;
  const snapshots = new SnapshotSource(
    () => neighbours.withPeers(fleet.pods()),
    config.models.static,
    clock,
    source,
    () => said && { objects: said, memory },
    () => neighbours.world(),
    () => allKnown() && mostAnswer(fleet.pods(), clock.now(), config),
  );
  /** Made anew when a source tells something, not for every snapshot. */
  let said: ClusterObjects | undefined;

  let pushing = false;
  let patience: NodeJS.Timeout | undefined;
  let begun = (): void => {};
  const firstPush = new Promise<void>((done) => {
    begun = done;
  });
  /** A first push with half of the models would make a filter that knew them all forget the other half. */
  const allKnown = (): boolean => directory.awaited.length === 0 && fleet.settled && neighbours.settled;
  const mayPush = (graceOver: boolean): boolean => {
    if (allKnown()) return true;
    return graceOver && (fleet.size > 0 || directory.awaited.length === 0);
  };
  let graceOver = false;
  const changed = (): void => {
    snapshots.changed();
    if (pushing) {
      envoys.changed();
    } else if (mayPush(graceOver)) {
      pushing = true;
      patience = setTimeout(begun, FIRST_PUSH_MS);
      envoys.start();
    }
  };

  const observer: ScrapeObserver = {
    scraped(pod, seconds) {
      metrics.scraped(pod.address, seconds);
      neighbours.scraped(pod, seconds);
    },
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
    probeFailed(pod, failure) {
      metrics.probeFailed(pod.address, failure.reason);
      log.debug({ endpoint: pod.address, reason: failure.reason, error: failure.message }, "probe failed");
    },
    crowded: () => metrics.crowded(),
    changed,
  };
  const reported = (): void => {
    said = objectsOf(objects());
    neighbours.reported(objects());
    changed();
  };
  const access = new Access(
    {
      tls: config.scrape.tls,
      bearerTokenFile: config.scrape.bearerTokenFile,
      gzip: config.scrape.gzip,
    },
    log,
  );
  const fleet = new Fleet(
    {
      engines: config.engines,
      access,
      concurrency: config.scrape.concurrency,
      scheme: config.scrape.scheme,
      options: {
        intervalMs: config.scrape.interval,
        timeoutMs: config.scrape.timeout,
        path: config.scrape.path,
        maxBytes: config.scrape.maxBytes,
        failures: config.scrape.failures,
        maxBackoffMs: config.scrape.maxBackoff,
        modelsIntervalMs: config.models.interval,
        modelsDiscovered: config.models.discover,
        probe: probeOf(config),
      },
      clock,
      log,
      random,
      observer,
    },
    { reported, vanished: (address) => metrics.forget(address) },
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

  const secrets = new Secrets(config.push.secrets, config.push.secretFile, log);
  const neighbours = new Neighbours(config, {
    secrets,
    clock,
    log,
    changed,
    failed: (peer) => metrics.discoveryFailed(`peer:${peer}`),
  });

  const { push } = config;
  const pushed: Metrics["pushed"] = (target, result, seconds, snapshot) => {
    metrics.pushed(target, result, seconds, snapshot);
    if (result === "ok" || result === "held") begun();
  };
  const envoys = new Envoys(push, {
    snapshots,
    secrets,
    clock,
    log,
    random,
    resolve,
    watchTimes,
    failed: (name) => metrics.discoveryFailed(name),
    pushed,
  });

  const readiness = (): Readiness => {
    const reasons = directory.awaited.map((source) => `no answer yet from ${source}`);
    const limit = Math.max(READY_PUSH_MS, 4 * push.heartbeat);
    const { targets } = envoys;
    const fresh = targets.some(({ suppliedAt }) => suppliedAt !== null && clock.now() - suppliedAt < limit);
    if (!fresh) {
      const each = targets.map(({ origin, lastResult }) => `${origin}: ${lastResult ?? "nothing pushed yet"}`);
      reasons.push(`no target took a snapshot in the last ${limit} ms (${each.join(", ")})`);
    }
    return { ready: reasons.length === 0, reasons };
  };

  directory.start();
  neighbours.start();
  const grace = setTimeout(() => {
    graceOver = true;
    if (!pushing) changed();
  }, START_GRACE_MS);

  let closing: Promise<void> | undefined;
  return {
    config,
    get targets() {
      return envoys.targets;
    },
    accessTo: (origin) => envoys.accessTo(origin),
    pushing: firstPush,
    pods: () => [...fleet.pods()],
    readiness,
    objects,
    view: (secret, sums) => neighbours.view(fleet.pods(), objects(), secret, sums),
    snapshot: (secret) => (neighbours.knows(secret) ? snapshots.make().bytes : undefined),
    close() {
      closing ??= (async () => {
        clearTimeout(grace);
        clearTimeout(patience);
        begun();
        directory.close();
        fleet.close();
        secrets.close();
        await Promise.all([neighbours.close(), envoys.close()]);
      })();
      return closing;
    },
  };
}
