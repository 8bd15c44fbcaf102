// The sidecar: its HTTP server, and the run of its configuration. A reload starts another run. When that run pushes, the old
// run ends.
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/schema.ts";
import { resolveSystem } from "./discover/dns.ts";
import type { ClusterSeen } from "./kubernetes/cluster-objects.ts";
import { WATCH_TIMES } from "./kubernetes/watch.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Pod } from "./pod.ts";
import { makeLearner } from "./run/costs.ts";
import { type Run, startRun } from "./run/run.ts";
import type { RunParts, SidecarParts } from "./run/run-parts.ts";
import { type OwnServer, startServer } from "./server.ts";
import { ModelMemory } from "./snapshot/memory.ts";
import { type Readiness, Views } from "./status/status.ts";

export type { SidecarParts };

export interface Sidecar {
  /** URL of the sidecar's HTTP server. */
  readonly url: string;
  /** Returns the pods that are known now. */
  pods(): Pod[];
  readiness(): Readiness;
  /** Returns the Envoys that get snapshots. */
  envoys(): string[];
  /** Returns the objects of clusters and manifests. */
  objects(): ClusterSeen[];
  /**
   * Replaces the configuration without a gap in the pushes. Resolves when the new configuration pushes, or when a later
   * reload has replaced it. If the address to listen on is in use, it rejects, and the old configuration stays in use.
   */
  reload(config: Config): Promise<void>;
  /** Logs and counts a changed configuration that is wrong. The old configuration stays in use. */
  refused(problems: readonly string[]): void;
  close(): Promise<void>;
}

/** Starts a sidecar. Resolves when its HTTP server listens. Discovery, scraping and pushing have begun then. */
export async function startSidecar(config: Config, given: SidecarParts = {}): Promise<Sidecar> {
  const { clock = systemClock, random = Math.random, resolve = resolveSystem, watchTimes = WATCH_TIMES } = given;
  const own = given.log === undefined ? createLog(config.log.level) : undefined;
  const log = given.log ?? (own as Log);
  const current = new CurrentRun();
  const views = new Views(() => current.run, clock);
  const metrics = createMetrics(
    {
      pods: () => current.run.pods(),
      costsOf: (pod) => current.run.costs.ofPod(pod),
      tokenizers: () => current.run.costs.tokenizers(current.run.pods()),
      targets: () => current.run.targets,
      pools: () => views.pools(),
      exported: () => views.exported(),
    },
    clock,
  );
  const source = randomBytes(8).readBigUInt64LE();
  const memory = new ModelMemory();
  const learner = makeLearner(log);
  const parts: RunParts = { log, clock, random, resolve, watchTimes, metrics, memory, learner, source };
  const listen = (at: Config["listen"]) => startServer(at, answersOf(current, views, metrics));

  const server = await listen(config.listen);
  try {
    current.run = startRun(config, parts);
  } catch (error) {
    await server.close();
    throw error;
  }
  log.info({ url: server.url, targets: originsOf(current.run) }, "sidecar listens");
  const setLevel = (level: Config["log"]["level"]) => {
    if (own !== undefined) own.level = level;
  };
  return new RunningSidecar({ parts, current, listen, setLevel }, server);
}

/** The current run, which each reload replaces. */
class CurrentRun {
  #run: Run | undefined;

  /** Returns the run. Throws before the first run has started. */
  get run(): Run {
    if (this.#run === undefined) throw new Error("the sidecar has not started yet");
    return this.#run;
  }

  set run(run: Run) {
    this.#run = run;
  }
}

function answersOf(current: CurrentRun, views: Views, { registry }: Metrics): Parameters<typeof startServer>[1] {
  return {
    registry,
    readiness: () => current.run.readiness(),
    objects: () => ({ sources: current.run.objects() }),
    view: (secret, sums) => current.run.view(secret, sums),
    snapshot: (secret) => current.run.snapshot(secret),
    pools: () => views.pools(),
    status: () => views.status(),
  };
}

function originsOf({ targets }: Run): string[] {
  return targets.map(({ origin }) => origin);
}

interface RunningParts {
  parts: RunParts;
  current: CurrentRun;
  listen(at: Config["listen"]): Promise<OwnServer>;
  setLevel(level: Config["log"]["level"]): void;
}

class RunningSidecar implements Sidecar {
  readonly #parts: RunningParts;
  #server: OwnServer;
  /** The run of a reload that does not push yet. A later reload or the end of the sidecar closes it. */
  #next: Run | undefined;
  #closed = false;

  constructor(parts: RunningParts, server: OwnServer) {
    this.#parts = parts;
    this.#server = server;
  }

  get url(): string {
    return this.#server.url;
  }

  get #run(): Run {
    return this.#parts.current.run;
  }

  pods(): Pod[] {
    return this.#run.pods();
  }

  readiness(): Readiness {
    return this.#run.readiness();
  }

  envoys(): string[] {
    return originsOf(this.#run);
  }

  objects(): ClusterSeen[] {
    return this.#run.objects();
  }

  async reload(config: Config): Promise<void> {
    const abandoned = this.#next;
    this.#next = undefined;
    await abandoned?.close();
    const same = isDeepStrictEqual(config.listen, this.#run.config.listen);
    const opened = same ? undefined : await this.#parts.listen(config.listen);
    let next: Run;
    try {
      next = startRun(config, this.#parts.parts);
    } catch (error) {
      await opened?.close();
      throw error;
    }
    this.#next = next;
    await next.pushing;
    if (this.#closed || this.#next !== next) {
      await opened?.close();
      return next.close();
    }
    this.#next = undefined;
    await this.#replace(next, opened);
  }

  /** Ends the old run. `opened`: the server at a new address, which replaces the old server. */
  async #replace(next: Run, opened: OwnServer | undefined): Promise<void> {
    const { parts, current, setLevel } = this.#parts;
    const { metrics, log, learner } = parts;
    if (opened !== undefined) {
      await this.#server.close();
      this.#server = opened;
    }
    const before = current.run;
    current.run = next;
    setLevel(next.config.log.level);
    const kept = new Set(next.pods().map((pod) => pod.address));
    for (const { address } of before.pods()) {
      if (kept.has(address)) continue;
      metrics.forget(address);
      learner.serverGone(address);
    }
    await before.close();
    metrics.reloaded("ok");
    log.info({ url: this.url, targets: originsOf(next) }, "configuration taken over");
  }

  refused(problems: readonly string[]): void {
    const { metrics, log } = this.#parts.parts;
    metrics.reloaded("refused");
    log.error({ problems }, "changed configuration refused: the old configuration stays in use");
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#run.close(), this.#next?.close(), this.#server.close()]);
    this.#parts.parts.log.info({}, "sidecar ended");
  }
}
