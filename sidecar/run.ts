// Puts the parts together: discover ─▶ scrape ─▶ snapshot ─▶ push, and the sidecar's own endpoints. A run is all that
// follows from one configuration; a reload begins the next run and ends the last one when the next one pushes.
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Clock, systemClock } from "./clock.ts";
import type { Config } from "./config/schema.ts";
import { Directory } from "./discover/directory.ts";
import { type Resolve, resolveSystem } from "./discover/dns.ts";
import { WATCH_TIMES, type WatchTimes } from "./discover/kubernetes-watch.ts";
import type { ClusterSeen } from "./discover/source.ts";
import { sourcesOf } from "./discover/sources.ts";
import { Fleet } from "./fleet.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { Neighbours } from "./peers/neighbours.ts";
import type { Pod } from "./pod.ts";
import { Envoys } from "./push/envoys.ts";
import { Secrets } from "./push/secrets.ts";
import type { Target } from "./push/target.ts";
import { Access } from "./scrape/access.ts";
import type { ScrapeObserver, ScrapeOptions } from "./scrape/scraper.ts";
import { type OwnServer, type Readiness, startServer } from "./server.ts";
import { ModelMemory } from "./snapshot/memory.ts";
import { type ClusterObjects, objectsOf } from "./snapshot/objects.ts";
import { SnapshotSource } from "./snapshot/source.ts";
import { Views } from "./status/status.ts";

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
  /** The Envoys that are pushed to. */
  envoys(): string[];
  /** What clusters and manifests say. */
  objects(): ClusterSeen[];
  /**
   * Takes another configuration over, without a gap in what is pushed; resolves when it has, or when it was given up for a
   * later one. Rejects, and all goes on as before, when its `listen` is taken.
   */
  reload(config: Config): Promise<void>;
  /** A changed configuration that is wrong: said and counted, the one at work goes on. */
  refused(problems: readonly string[]): void;
  close(): Promise<void>;
}

/** What follows from one configuration. */
interface Run {
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
type RunParts = Required<SidecarParts> & { metrics: Metrics; memory: ModelMemory; source: bigint };

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
function startRun(config: Config, parts: RunParts): Run {
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

/** Resolves when its own endpoints listen; discovery, scraping and pushing have begun then. */
export async function startSidecar(config: Config, given: SidecarParts = {}): Promise<Sidecar> {
  const { clock = systemClock, random = Math.random, resolve = resolveSystem, watchTimes = WATCH_TIMES } = given;
  const own = given.log === undefined ? createLog(config.log.level) : undefined;
  const log = given.log ?? (own as Log);
  const views = new Views(() => run, clock);
  const pools = () => views.pools();
  const exported = () => views.exported();
  const metrics = createMetrics({ pods: () => run.pods(), targets: () => run.targets, pools, exported }, clock);
  const source = randomBytes(8).readBigUInt64LE();
  const parts: RunParts = { log, clock, random, resolve, watchTimes, metrics, memory: new ModelMemory(), source };
  const listen = (at: Config["listen"]): Promise<OwnServer> =>
    startServer(at, {
      registry: metrics.registry,
      readiness: () => run.readiness(),
      objects: () => ({ sources: run.objects() }),
      view: (secret, sums) => run.view(secret, sums),
      snapshot: (secret) => run.snapshot(secret),
      pools,
      status: () => views.status(),
    });

  let server = await listen(config.listen);
  let run: Run;
  try {
    run = startRun(config, parts);
  } catch (error) {
    await server.close();
    throw error;
  }
  log.info({ url: server.url, targets: run.targets.map((target) => target.origin) }, "sidecar listens");

  let closed = false;
  /** The run of a reload that does not push yet; another reload, or the end, gives it up. */
  let coming: Run | undefined;
  const replace = async (next: Config): Promise<void> => {
    await coming?.close();
    const before = run;
    let listening = server;
    if (!isDeepStrictEqual(next.listen, before.config.listen)) listening = await listen(next.listen);
    let after: Run;
    try {
      after = startRun(next, parts);
    } catch (error) {
      if (listening !== server) await listening.close();
      throw error;
    }
    coming = after;
    await after.pushing;
    if (closed || coming !== after) {
      if (listening !== server) await listening.close();
      return after.close();
    }
    coming = undefined;
    if (listening !== server) await server.close();
    server = listening;
    run = after;
    if (own !== undefined) own.level = next.log.level;
    const kept = new Set(after.pods().map((pod) => pod.address));
    for (const { address } of before.pods()) if (!kept.has(address)) metrics.forget(address);
    await before.close();
    metrics.reloaded("ok");
    log.info({ url: server.url, targets: after.targets.map((target) => target.origin) }, "configuration taken over");
  };
  return {
    get url() {
      return server.url;
    },
    pods: () => run.pods(),
    readiness: () => run.readiness(),
    envoys: () => run.targets.map(({ origin }) => origin),
    objects: () => run.objects(),
    reload: replace,
    refused(problems) {
      metrics.reloaded("refused");
      log.error({ problems }, "changed configuration refused: the one before goes on");
    },
    async close() {
      closed = true;
      await Promise.all([run.close(), coming?.close(), server.close()]);
      log.info({}, "sidecar ended");
    },
  };
}
