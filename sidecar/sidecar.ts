// The sidecar: its own endpoints, and the run that follows from its configuration; a reload begins the next run and ends the
// last one when the next one pushes.
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/schema.ts";
import { resolveSystem } from "./discover/dns.ts";
import type { ClusterSeen } from "./kubernetes/cluster-objects.ts";
import { WATCH_TIMES } from "./kubernetes/watch.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { Pod } from "./pod.ts";
import { type Run, startRun } from "./run/run.ts";
import type { RunParts, SidecarParts } from "./run/run-parts.ts";
import { type OwnServer, startServer } from "./server.ts";
import { ModelMemory } from "./snapshot/memory.ts";
import { type Readiness, Views } from "./status/status.ts";

export type { SidecarParts };

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

/** Resolves when its own endpoints listen; discovery, scraping and pushing have begun then. */
export async function startSidecar(config: Config, given: SidecarParts = {}): Promise<Sidecar> {
  const { clock = systemClock, random = Math.random, resolve = resolveSystem, watchTimes = WATCH_TIMES } = given;
  const own = given.log === undefined ? createLog(config.log.level) : undefined;
  const log = given.log ?? (own as Log);
  for (const warning of config.warnings) log.warn({}, warning);
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
    for (const warning of next.warnings) log.warn({}, warning);
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
