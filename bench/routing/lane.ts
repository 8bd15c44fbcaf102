// Runs one contender under one load with new pods, Envoys, and a new sidecar, endpoint picker or router.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../../envoy/binary.ts";
import { defaultParams } from "../../simulator/params.ts";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { counters } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import type { Span } from "../sim/loads/arrivals.ts";
import { MODEL } from "../sim/request.ts";
import { Child } from "./child.ts";
import type { ClientAsks } from "./client.ts";
import { DYNAMO, type RoutingContender } from "./contenders.ts";
import { openEngines } from "./engine-pool.ts";
import type { FeederAsks } from "./feeder.ts";
import { type Front, openFront } from "./front.ts";
import { learnConfig } from "./learn-config.ts";
import { type RoutingLoad, requestsOf } from "./loads.ts";
import { type MachineUse, watchMachine } from "./machine-watch.ts";
import type { PodsAsks, PodsCount } from "./pods.ts";
import type { Pool } from "./pool.ts";
import { type Restarts, restartEvery } from "./restarts.ts";
import type { Sent } from "./sending.ts";

interface LaneParts {
  found: Found;
  wasmFile: string;
  /** Worker threads of each Envoy of a contender that has no shape of its own. */
  workers: number;
}

/** Of a contender with restarts this share of the requests must have a pick. Before its first snapshot an Envoy picks nothing. */
const PICKED_WITH_RESTARTS = 0.9;

/** The observations of a contender under a load in one repetition. */
export interface Seen {
  contender: string;
  sent: Sent[];
  warmMs: number;
  lastMs: number;
  /** Parts of the load that are also judged by themselves. */
  spans: readonly Span[];
  /** Counts at the end of the warm-up, at the last arrival and at the end. */
  counts: [PodsCount, PodsCount, PodsCount];
  /** Cores that each part used from the end of the warm-up to the last arrival. */
  cores: Record<string, number>;
  /** For each restart of an Envoy, ms until it was ready again. */
  awayMs: readonly number[];
  /** The whole machine in the same time. */
  machine: MachineUse;
}

export class Lane {
  readonly #parts: LaneParts;
  readonly #pods = new Child<PodsAsks>("./pods.ts");
  readonly #client = new Child<ClientAsks>("./client.ts");
  #feeder: Child<FeederAsks> | undefined;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  close(): void {
    for (const child of [this.#pods, this.#client, this.#feeder]) child?.stop();
  }

  /** `delayMs`: delay before the first request, so that bursts of several lanes do not coincide. */
  async run(contender: RoutingContender, load: RoutingLoad, seed: number, delayMs: number): Promise<Seen> {
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-routing-"));
    let pool: Pool | undefined;
    let front: Front | undefined;
    try {
      const { adapters, params, spans, promptTokens } = requestsOf(load, seed);
      pool = await this.#openPool(contender, load, { model: MODEL, adapters, params }, folder);
      const pods = pool.addresses;
      const models = [MODEL, ...adapters];
      const { scrapeMs } = load;
      const { workers, envoys } = contender.shape ?? { workers: this.#parts.workers, envoys: load.envoys };
      const feeder = () => {
        this.#feeder ??= new Child<FeederAsks>("./feeder.ts");
        return this.#feeder;
      };
      const learn = learnConfig(contender.costs, params, promptTokens);
      const needs = { ...this.#parts, workers, feeder, pods, models, folder, envoys, scrapeMs, learn };
      front = await openFront(contender, needs);
      const { named } = front;
      const ports = front.envoys.map(({ port }) => port);
      const { warmMs, lastMs } = await this.#client.ask("prepare", {
        load,
        seed,
        ports,
        named,
        homes: contender.homes ? pods : undefined,
        resends: contender.restarts === true,
      });
      await sleep(delayMs);
      // A process that is killed takes its CPU time along, so the cores of Envoys that begin anew are not measured.
      const { Envoy, ...others } = front.pids();
      const fronts = contender.restarts || Envoy === undefined ? others : { Envoy, ...others };
      const pids = { client: [this.#client.pid], ...pool.pids, ...fronts };
      const before = await picked(front.envoys);
      const restarts = contender.restarts ? restartFirst(front.envoys, load) : undefined;
      const seen = await this.#measure(pool, pids, warmMs, lastMs);
      const lost = (await restarts?.stop()) ?? { counted: 0, awayMs: [] };
      const picks = lost.counted + (await picked(front.envoys)) - before;
      const least = restarts === undefined ? seen.sent.length : seen.sent.length * PICKED_WITH_RESTARTS;
      if (contender.filter && (picks < least || (restarts === undefined && picks > least)))
        throw new Error(`${contender.name}: ${picks} of ${seen.sent.length} requests had a pick`);
      if (restarts !== undefined && lost.awayMs.length === 0)
        throw new Error(`${contender.name}: the load ended before the first restart, after ${load.restartEvery} s`);
      return { contender: contender.name, warmMs, lastMs, spans, awayMs: lost.awayMs, ...seen };
    } finally {
      await front?.stop();
      await pool?.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #openPool(
    { name }: RoutingContender,
    { mocker, pods }: RoutingLoad,
    start: PodsAsks["start"]["given"],
    folder: string,
  ): Promise<Pool> {
    if (mocker) {
      const blocks = start.params[0]?.kvBlocks ?? defaultParams().kvBlocks;
      return openEngines({ pods, blocks, routed: name === DYNAMO, folder });
    }
    const addresses = await this.#pods.ask("start", start);
    const count = () => this.#pods.ask("count", null);
    return { addresses, pids: { pods: [this.#pods.pid] }, count, stop: () => this.#pods.ask("stop", null) };
  }

  async #measure(pool: Pool, pids: Readonly<Record<string, number[]>>, warmMs: number, lastMs: number) {
    const usage = () =>
      Object.fromEntries(
        Object.entries(pids).map(([name, of]) => [name, of.reduce((n, id) => n + cpuNanoseconds(id), 0)]),
      );
    const began = performance.now();
    const running = this.#client.ask("run", null);
    await Promise.race([running, sleep(warmMs - (performance.now() - began))]);
    const warmed = await pool.count();
    const [machineUse, cpuFrom, from] = [watchMachine(), usage(), performance.now()];
    await Promise.race([running, sleep(lastMs - (performance.now() - began))]);
    const last = await pool.count();
    const [machine, cpuTo, to] = [machineUse(), usage(), performance.now()];
    const sent = await running;
    const end = await pool.count();
    const cores: Record<string, number> = {};
    for (const [name, used] of Object.entries(cpuTo)) cores[name] = (used - (cpuFrom[name] ?? 0)) / 1e6 / (to - from);
    const counts: [PodsCount, PodsCount, PodsCount] = [warmed, last, end];
    return { sent, counts, cores, machine };
  }
}

/** Restarts the first of the Envoys until it is stopped. */
function restartFirst(envoys: readonly TestEnvoy[], { restartEvery: seconds }: RoutingLoad): Restarts {
  const [first] = envoys;
  if (first === undefined || seconds === undefined) throw new Error("restarts need an Envoy and a time between them");
  return restartEvery(first, seconds * 1000, () => picked([first]));
}

async function picked(envoys: readonly TestEnvoy[]): Promise<number> {
  let sum = 0;
  for (const envoy of envoys) sum += (await counters(envoy)).get("picked") ?? 0;
  return sum;
}
