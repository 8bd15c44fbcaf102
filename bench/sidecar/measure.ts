// Reads snapshots back from the filter at random moments, and reads the sidecar's CPU and memory from the kernel.
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { cpuNanoseconds, residentMemory } from "../../testkit/cpu.ts";
import { type Plan, SECRET, type Stage, type StageOptions, startStage } from "./stage.ts";

/** How long a worker may use an older snapshot after a push. A read-back always shows the newest snapshot. */
export const TICK_MS = 20;

export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

export interface Window {
  seconds: number;
  /** Used CPU as a share of one core. */
  sidecar: number;
  pods: number;
  scrapesPerSecond: number;
  /** Of these, scrapes whose page had only some names. */
  restrictedPerSecond: number;
  reads: number;
  /** Ages at the filter in ms: of the snapshot, of the scrape as the snapshot states it, and of the pod's real answer. */
  snapshot: Spread;
  claimed: Spread;
  real: Spread;
  notReady: number;
  rssMiB: number;
}

interface ReadBack {
  ageMs: number;
  endpoints: Array<{ address: string; waiting: number | null; scrapeAgeMs: number | null; ready: boolean }>;
}

export function spread(values: Float64Array | number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export class Reader {
  readonly #pool: Pool;
  readonly #epoch: number;

  constructor(stage: Stage) {
    this.#pool = new Pool(stage.envoy.url, { connections: 1 });
    this.#epoch = stage.epoch;
  }

  async read(): Promise<{ view: ReadBack; real: (waiting: number) => number }> {
    const { statusCode, body } = await this.#pool.request({
      method: "GET",
      path: SNAPSHOT_PATH,
      headers: { [SECRET_HEADER]: SECRET },
    });
    const now = Date.now() - this.#epoch;
    if (statusCode !== 200) throw new Error(`the read-back was answered with ${statusCode}: ${await body.text()}`);
    return { view: (await body.json()) as ReadBack, real: (waiting) => now - waiting };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

/** Waits until every pod is ready at the filter. */
export async function warm(reader: Reader, pods: number, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const ready = await reader.read().then(
      ({ view }) => view.endpoints.filter((endpoint) => endpoint.ready).length,
      () => 0,
    );
    if (ready === pods) return;
    if (Date.now() > deadline) throw new Error(`${ready} of ${pods} pods are ready after ${timeoutMs} ms`);
    await sleep(200);
  }
}

export async function measure(stage: Stage, reader: Reader, seconds: number, readsPerSecond: number): Promise<Window> {
  const snapshot: number[] = [];
  const claimed: number[] = [];
  const real: number[] = [];
  let notReady = 0;
  let reads = 0;
  const start = performance.now();
  const before = { sidecar: cpuNanoseconds(stage.sidecarPid), pods: cpuNanoseconds(stage.podsPid) };
  const served = await stage.served();
  while (performance.now() - start < seconds * 1000) {
    await sleep((Math.random() * 2000) / readsPerSecond);
    const { view, real: age } = await reader.read();
    reads++;
    snapshot.push(view.ageMs);
    for (const { waiting, scrapeAgeMs, ready } of view.endpoints) {
      if (!ready) notReady++;
      if (scrapeAgeMs !== null) claimed.push(view.ageMs + scrapeAgeMs);
      if (waiting !== null) real.push(age(waiting));
    }
  }
  const ns = (performance.now() - start) * 1e6;
  const end = await stage.served();
  return {
    seconds: ns / 1e9,
    sidecar: (cpuNanoseconds(stage.sidecarPid) - before.sidecar) / ns,
    pods: (cpuNanoseconds(stage.podsPid) - before.pods) / ns,
    scrapesPerSecond: (end.all - served.all) / (ns / 1e9),
    restrictedPerSecond: (end.restricted - served.restricted) / (ns / 1e9),
    reads,
    snapshot: spread(snapshot),
    claimed: spread(claimed),
    real: spread(real),
    notReady,
    rssMiB: residentMemory(stage.sidecarPid).nowBytes / 2 ** 20,
  };
}

export interface MemoryPoint {
  seconds: number;
  rssMiB: number;
}

/** Reads the resident memory every ten seconds. */
export async function memoryOver(plan: Plan, options: StageOptions, seconds: number): Promise<MemoryPoint[]> {
  const stage = await startStage(plan, options);
  const reader = new Reader(stage);
  const points: MemoryPoint[] = [];
  try {
    await warm(reader, plan.pods);
    const start = performance.now();
    const at = () => (performance.now() - start) / 1000;
    for (;;) {
      points.push({ seconds: Math.round(at()), rssMiB: residentMemory(stage.sidecarPid).nowBytes / 2 ** 20 });
      if (at() >= seconds) return points;
      await sleep(Math.min(10, seconds - at()) * 1000);
    }
  } finally {
    await reader.close();
    await stage.close();
  }
}
