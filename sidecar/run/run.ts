// A run does the work of one configuration: discover ─▶ scrape ─▶ snapshot ─▶ push. sidecar.ts starts a run, and at each
// reload another run.
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { Pod } from "../pod.ts";
import type { Envoys } from "../push/envoys.ts";
import type { Target } from "../push/target.ts";
import type { Readiness } from "../status/status.ts";
import { Changes } from "./changes.ts";
import { Costs } from "./costs.ts";
import { openCredentials } from "./credential-files.ts";
import { readinessOf } from "./readiness.ts";
import type { RunParts } from "./run-parts.ts";
import { type Pushing, pushStage, type Scraping, scrapeStage } from "./stages.ts";

export class Run {
  readonly config: Config;
  readonly #clock: Clock;
  readonly costs: Costs;
  readonly #scraping: Scraping;
  readonly #pushing: Pushing;
  #closing: Promise<void> | undefined;

  constructor(config: Config, clock: Clock, costs: Costs, scraping: Scraping, pushing: Pushing) {
    this.config = config;
    this.#clock = clock;
    this.costs = costs;
    this.#scraping = scraping;
    this.#pushing = pushing;
  }

  get targets(): readonly Target[] {
    return this.#pushing.envoys.targets;
  }

  /** Returns the secret that an Envoy accepts, and how to connect to the Envoy. */
  accessTo(origin: string): ReturnType<Envoys["accessTo"]> {
    return this.#pushing.envoys.accessTo(origin);
  }

  /** Resolves when a target accepted the first push, a second after the first attempt, or when the run is closed earlier. */
  get pushing(): Promise<void> {
    return this.#pushing.firstPush.taken;
  }

  pods(): Pod[] {
    return [...this.#scraping.fleet.pods()];
  }

  readiness(): Readiness {
    const { heartbeat: heartbeatMs } = this.config.push;
    return readinessOf(this.#scraping.directory.awaited, this.targets, { now: this.#clock.now(), heartbeatMs });
  }

  objects(): ClusterSeen[] {
    return this.#scraping.seen.all;
  }

  /** Returns what this sidecar exports to its peers; undefined: the secret is wrong. */
  view(secret: string | undefined, sums: boolean): object | undefined {
    const { neighbours, fleet, seen } = this.#scraping;
    return neighbours.view(fleet.pods(), seen.all, secret, sums);
  }

  /** Returns the snapshot as it would be pushed now; undefined: the secret is wrong. */
  snapshot(secret: string | undefined): Uint8Array | undefined {
    return this.#scraping.neighbours.knows(secret) ? this.#pushing.snapshots.make().bytes : undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { directory, fleet, neighbours } = this.#scraping;
    const { firstPush, secrets, envoys } = this.#pushing;
    firstPush.close();
    directory.close();
    fleet.close();
    secrets.close();
    await Promise.all([neighbours.close(), envoys.close()]);
  }
}

/** Starts a run. Throws a ConfigError if a file that the configuration names cannot be read. */
export function startRun(config: Config, parts: RunParts): Run {
  const credentials = openCredentials(config, parts.log);
  const changes = new Changes();
  const costs = new Costs(config, parts);
  const scraping = scrapeStage(config, parts, credentials, costs, () => changes.notify());
  const pushing = pushStage(config, parts, credentials, scraping, costs);
  const { snapshots, firstPush, envoys } = pushing;
  changes.listen(() => {
    snapshots.changed();
    if (firstPush.begins()) envoys.start();
    else if (firstPush.pushing) envoys.changed();
  });
  scraping.directory.start();
  scraping.neighbours.start();
  firstPush.wait(() => changes.notify());
  return new Run(config, parts.clock, costs, scraping, pushing);
}
