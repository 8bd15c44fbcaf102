// The processes of one window: the server, the gateways, and what scrapes. All are new, so that no window depends on an earlier one.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Found } from "../../envoy/binary.ts";
import { keepOffLastCore, keepOnLastCore } from "../../testkit/cpu.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { startEpp } from "../../testkit/peers/ext-proc-peers.ts";
import { freePorts } from "../../testkit/ports.ts";
import { type SidecarProcess, startSidecarProcess } from "../../testkit/sidecar/sidecar-process.ts";
import { until } from "../../testkit/until.ts";
import { startMetricsServer } from "../../testkit/vllm/metrics-server.ts";
import type { Plan } from "./contenders.ts";

export const MODEL = "tiny";
const SECRET = "bench-secret-0123456789";
const QUIET = { log: { level: "warn" } };

/** A module and the compiled sidecar of the same release. */
export interface Build {
  wasm: string;
  sidecar: string;
}

export interface StageOptions {
  found: Found;
  now: Build;
  /** Undefined: the contender `before` cannot run. */
  before: Build | undefined;
  /** The endpoint picker's binary; undefined: the contender `epp` cannot run. */
  epp: string | undefined;
  everyMs: number;
  /** Whether the server has its metrics in files, as with several API server processes. */
  multiprocess: boolean;
}

/** Scrapes that the server has answered, and bytes of their pages. */
interface Scrapes {
  whole: number;
  restricted: number;
  bytes: number;
}

interface Stage {
  serverUrl: string;
  serverPid: number;
  gateways: readonly string[];
  /** Processes of the sidecars, or of the picker. */
  scraperPids: readonly number[];
  scrapes(): Promise<Scrapes>;
  close(): Promise<void>;
}

/** Resolves when the server and the gateways answer, and each sidecar has pushed a snapshot. */
export async function startStage(plan: Plan, options: StageOptions): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-scrape-"));
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const [port] = (await freePorts(1)) as [number];
    const { everyMs, multiprocess } = options;
    const server = await startMetricsServer({ folder, port, model: MODEL, everyMs, multiprocess });
    closing.push(server.stop);
    const address = `127.0.0.1:${server.port}`;
    const build = plan.contender === "before" ? options.before : options.now;
    if (build === undefined) throw new Error("the contender before needs --before");
    const envoys: TestEnvoy[] = [];
    closing.push(() => Promise.all(envoys.map((envoy) => envoy.close())));
    for (let i = 0; i < plan.gateways; i++) envoys.push(await startGateway(address, build.wasm, options.found));
    const scrapers = await startScrapers(plan, { ...options, build, folder, address, envoys });
    closing.push(() => Promise.all(scrapers.map(({ stop }) => stop())));
    keepOnLastCore(server.pid);
    for (const pid of [...envoys.flatMap((envoy) => envoy.pid ?? []), ...scrapers.map((one) => one.pid)])
      keepOffLastCore(pid);
    const serverUrl = `http://${address}`;
    return {
      serverUrl,
      serverPid: server.pid,
      gateways: envoys.map(({ url }) => url),
      scraperPids: scrapers.map(({ pid }) => pid),
      scrapes: async () => (await (await fetch(`${serverUrl}/bench/scrapes`)).json()) as Scrapes,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startGateway(address: string, wasm: string, found: Found): Promise<TestEnvoy> {
  const pools = [{ name: "pool", models: [MODEL], endpoints: [address] }];
  const config = { pools, wasm: { file: wasm, secret: SECRET, configuration: {} } };
  return startEnvoy(config, { found, concurrency: 1, logLevel: "error" });
}

interface ScraperNeeds extends StageOptions {
  build: Build;
  folder: string;
  address: string;
  envoys: readonly TestEnvoy[];
}

async function startScrapers({ contender }: Plan, needs: ScraperNeeds): Promise<SidecarProcess[]> {
  const { folder, address, envoys, epp, build } = needs;
  if (contender === "none") return [];
  if (contender === "epp") {
    if (epp === undefined) throw new Error("the contender epp needs the endpoint picker; make peers builds it");
    return [await startEpp({ path: epp, folder, pods: [address] })];
  }
  const sidecars: SidecarProcess[] = [];
  for (const [i, { url }] of envoys.entries()) {
    const file = join(folder, `sidecar-${i}.json`);
    const peers = envoys.length > 1 ? { peers: { targets: envoys.map((one) => one.url) } } : {};
    const push = { targets: [url], ...peers };
    await writeFile(file, JSON.stringify({ endpoints: [`http://${address}`], push, listen: "127.0.0.1:0", ...QUIET }));
    sidecars.push(startSidecarProcess(build.sidecar, file, SECRET));
  }
  const stored = async (envoy: TestEnvoy) =>
    [...(await envoy.stats("snapshot.stored")).values()].some((count) => count > 0);
  await until("a snapshot in each gateway", async () => (await Promise.all(envoys.map(stored))).every((has) => has));
  return sidecars;
}
