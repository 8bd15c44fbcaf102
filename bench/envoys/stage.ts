// A fleet for `make bench-envoys`: pods in this process, real Envoys, and the sidecar as it ships, once for each Envoy.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../../envoy/binary.ts";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { fastPod } from "../../testkit/fleet.ts";
import { chat, post } from "../../testkit/http.ts";
import { type SidecarProcess, startSidecarProcess } from "../../testkit/sidecar/sidecar-process.ts";
import { until } from "../../testkit/until.ts";

const MODEL = "tiny";
const SECRET = "bench-secret-0123456789";
/** Time until collectors are elected and the learners are quiet. */
const WARM_MS = 5000;
const FILTER_STATS = "wasmcustom.pilotfish.(reported|traffic.stored|snapshot.stored)";

interface Plan {
  envoys: number;
  concurrency: number;
  pods: number;
  /** Requests a second to each Envoy. */
  load: number;
  found: Found;
  wasm: string;
  sidecar: string;
}

/** What all Envoys and all sidecars of a fleet did in a second. */
export interface Window {
  envoyCores: number;
  sidecarCores: number;
  reports: number;
  traffic: number;
  snapshots: number;
}

interface Fleet {
  measure(seconds: number): Promise<Window>;
  close(): Promise<void>;
}

export async function startFleet(plan: Plan): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-envoys-"));
  const pods = await Promise.all(Array.from({ length: plan.pods }, (_, i) => fastPod(`pod-${i}`, MODEL)));
  const envoys: TestEnvoy[] = [];
  for (let i = 0; i < plan.envoys; i++)
    envoys.push(
      await startOne(
        plan,
        pods.map(({ address }) => address),
      ),
    );
  const sidecars: SidecarProcess[] = [];
  for (const [i, { url }] of envoys.entries()) {
    const file = join(folder, `sidecar-${i}.json`);
    const push = { targets: [url], peers: { targets: envoys.map((one) => one.url) } };
    await writeFile(file, JSON.stringify({ endpoints: pods.map((pod) => pod.url), push, listen: "127.0.0.1:0" }));
    sidecars.push(startSidecarProcess(plan.sidecar, file, SECRET));
  }
  const counted = () => Promise.all(envoys.map((envoy) => envoy.stats(FILTER_STATS)));
  await until("snapshots", async () => (await counted()).every((stats) => sum([stats], "snapshot.stored") > 0));
  const traffic = envoys.map((envoy) => startLoad(envoy, plan.load));
  await sleep(WARM_MS);
  return {
    async measure(seconds) {
      const read = async () => ({
        at: performance.now(),
        envoys: cpuOf(envoys.map(({ pid }) => pid)),
        sidecars: cpuOf(sidecars.map(({ pid }) => pid)),
        stats: await counted(),
      });
      const before = await read();
      await sleep(seconds * 1000);
      const after = await read();
      const taken = (after.at - before.at) / 1000;
      const rate = (name: string) => (sum(after.stats, name) - sum(before.stats, name)) / taken;
      return {
        envoyCores: (after.envoys - before.envoys) / 1e9 / taken,
        sidecarCores: (after.sidecars - before.sidecars) / 1e9 / taken,
        reports: rate("reported"),
        traffic: rate("traffic.stored"),
        snapshots: rate("snapshot.stored"),
      };
    },
    async close() {
      for (const { stop } of traffic) stop();
      await Promise.all(traffic.map(({ ended }) => ended));
      await Promise.all(sidecars.map(({ stop }) => stop()));
      await Promise.all(envoys.map((envoy) => envoy.close()));
      await Promise.all(pods.map((pod) => pod.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function startOne({ found, wasm, concurrency }: Plan, endpoints: string[]): Promise<TestEnvoy> {
  const pools = [{ name: "pool", models: [MODEL], endpoints }];
  return startEnvoy(
    { pools, wasm: { file: wasm, secret: SECRET, configuration: {} } },
    { found, concurrency, logLevel: "error" },
  );
}

/** Sends requests to an Envoy at even intervals, each without waiting for the one before. */
function startLoad(envoy: TestEnvoy, perSecond: number): { stop: () => void; ended: Promise<void> } {
  let stopped = false;
  const send = async () => {
    const open = new Set<Promise<unknown>>();
    const began = performance.now();
    for (let sent = 0; !stopped && perSecond > 0; sent++) {
      await sleep(Math.max(0, began + (sent * 1000) / perSecond - performance.now()));
      const one = post(envoy.url, chat(MODEL)).catch(() => undefined);
      open.add(one);
      void one.then(() => open.delete(one));
    }
    await Promise.all(open);
  };
  return { stop: () => (stopped = true), ended: send() };
}

function cpuOf(pids: readonly (number | undefined)[]): number {
  return pids.reduce<number>((total, pid) => total + (pid === undefined ? 0 : cpuNanoseconds(pid)), 0);
}

function sum(all: readonly Map<string, number>[], name: string): number {
  return all.reduce((total, stats) => total + (stats.get(`wasmcustom.pilotfish.${name}`) ?? 0), 0);
}
