// Runs one contender under one load with new pods, Envoys, and a new sidecar or endpoint picker.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../../envoy/binary.ts";
import { MODEL_HEADER } from "../../protocol/constants.ts";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { counters, readBack, SECRET } from "../../testkit/envoy/filter-envoy.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, JSON_TYPE, post } from "../../testkit/http.ts";
import { machineBusy } from "../../testkit/machine.ts";
import { startEpp } from "../../testkit/peers/ext-proc-peers.ts";
import type { RunningPeer } from "../../testkit/peers/spawn-peer.ts";
import { until } from "../../testkit/until.ts";
import { MODEL } from "../sim/request.ts";
import { Child } from "./child.ts";
import type { ClientAsks, Sent } from "./client.ts";
import { envoyOf, type RoutingContender } from "./contenders.ts";
import type { FeederAsks } from "./feeder.ts";
import { type RoutingLoad, requestsOf } from "./loads.ts";
import type { PodsAsks, PodsCount } from "./pods.ts";

interface LaneParts {
  found: Found;
  wasmFile: string;
  eppPath: string | undefined;
}

/** The observations of a contender under a load in one repetition. */
export interface Seen {
  contender: string;
  sent: Sent[];
  warmMs: number;
  lastMs: number;
  /** Counts at the end of the warm-up, at the last arrival and at the end. */
  counts: [PodsCount, PodsCount, PodsCount];
  /** Cores that each part used from the end of the warm-up to the last arrival. */
  cores: Record<string, number>;
  /** Busy share of the whole machine in the same time, 0 to 1. */
  busy: number;
}

const WORKERS = 2;
const GRACE_MS = 4000;

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
    const { found, wasmFile, eppPath } = this.#parts;
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-routing-"));
    const envoys: TestEnvoy[] = [];
    let epp: RunningPeer | undefined;
    let fed = false;
    try {
      const { adapters, params } = requestsOf(load, seed);
      const pods = await this.#pods.ask("start", { model: MODEL, adapters, params });
      const models = [MODEL, ...adapters];
      if (contender.epp) {
        if (eppPath === undefined) throw new Error("EPP was not built");
        epp = await startEpp({ path: eppPath, folder, pods, scrapeMs: load.scrapeMs });
      }
      const config = envoyOf(contender, { models, endpoints: pods, wasmFile, secret: SECRET, eppPort: epp?.port });
      for (let i = 0; i < load.envoys; i++)
        envoys.push(await startEnvoy(config, { found, concurrency: WORKERS, logLevel: "error" }));
      if (contender.filter) {
        this.#feeder ??= new Child<FeederAsks>("./feeder.ts");
        fed = true;
        await this.#feeder.ask("start", {
          endpoints: pods.map((pod) => `http://${pod}`),
          push: { targets: envoys.map(({ url }) => url), secret: SECRET },
          listen: "127.0.0.1:0",
          log: { level: "silent" },
          ...(load.scrapeMs === undefined ? {} : { scrape: { interval: `${load.scrapeMs}ms` } }),
        });
        await Promise.all(envoys.map((envoy) => fresh(envoy, models.length, pods.length)));
      }
      const ports = envoys.map(({ port }) => port);
      const named = contender.filter === undefined;
      const { warmMs, lastMs } = await this.#client.ask("prepare", { load, seed, ports, named, graceMs: GRACE_MS });
      for (const envoy of envoys) await answers(envoy, named);
      await sleep(delayMs);
      const pids: Record<string, number[]> = {
        client: [this.#client.pid],
        pods: [this.#pods.pid],
        Envoy: envoys.map(({ pid }) => pid as number),
        ...(epp ? { EPP: [epp.pid] } : {}),
        ...(fed && this.#feeder ? { sidecar: [this.#feeder.pid] } : {}),
      };
      const before = await this.#picked(envoys);
      const seen = await this.#measure(pids, warmMs, lastMs);
      const picked = (await this.#picked(envoys)) - before;
      if (contender.filter && picked !== seen.sent.length)
        throw new Error(`${contender.name}: ${picked} of ${seen.sent.length} requests had a pick`);
      return { contender: contender.name, warmMs, lastMs, ...seen };
    } finally {
      if (fed) await this.#feeder?.ask("stop", null);
      await Promise.all(envoys.map((envoy) => envoy.close()));
      await epp?.stop();
      await this.#pods.ask("stop", null);
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #measure(pids: Readonly<Record<string, number[]>>, warmMs: number, lastMs: number) {
    const usage = () =>
      Object.fromEntries(
        Object.entries(pids).map(([name, of]) => [name, of.reduce((n, id) => n + cpuNanoseconds(id), 0)]),
      );
    const began = performance.now();
    const running = this.#client.ask("run", null);
    await Promise.race([running, sleep(warmMs - (performance.now() - began))]);
    const [warmed, cpuFrom, busyFrom, from] = [
      await this.#pods.ask("count", null),
      usage(),
      machineBusy(),
      performance.now(),
    ];
    await Promise.race([running, sleep(lastMs - (performance.now() - began))]);
    const [last, cpuTo, busyTo, to] = [await this.#pods.ask("count", null), usage(), machineBusy(), performance.now()];
    const sent = await running;
    const end = await this.#pods.ask("count", null);
    const cores: Record<string, number> = {};
    for (const [name, used] of Object.entries(cpuTo)) cores[name] = (used - (cpuFrom[name] ?? 0)) / 1e6 / (to - from);
    const busy = (busyTo.busy - busyFrom.busy) / Math.max(1, busyTo.all - busyFrom.all);
    const counts: [PodsCount, PodsCount, PodsCount] = [warmed, last, end];
    return { sent, counts, cores, busy };
  }

  async #picked(envoys: readonly TestEnvoy[]): Promise<number> {
    let sum = 0;
    for (const envoy of envoys) sum += (await counters(envoy)).get("picked") ?? 0;
    return sum;
  }
}

/** Waits until every worker has a snapshot with all models on all pods. Concurrent connections are spread over the workers. */
async function fresh(envoy: TestEnvoy, models: number, pods: number): Promise<void> {
  await until("a snapshot with all models and pods", async () => {
    const all = await Promise.all(Array.from({ length: 4 * WORKERS }, () => readBack(envoy.url)));
    return all.every(({ status, json }) => {
      return status === 200 && json.models.length === models && json.endpoints.length === pods;
    });
  });
}

/** Waits until pods answer several requests in a row, because EPP refuses some in its first moments. */
async function answers(envoy: TestEnvoy, named: boolean): Promise<void> {
  const headers = { ...JSON_TYPE, ...(named ? { [MODEL_HEADER]: MODEL } : {}) };
  let last = "";
  await until("requests to be answered", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => post(envoy.url, chat(MODEL), { headers })));
    last = `${all[0]?.status} ${all[0]?.text.slice(0, 200)}`;
    return all.every(({ status, pod }) => status === 200 && pod !== undefined);
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the last answer: ${last}`);
  });
}
