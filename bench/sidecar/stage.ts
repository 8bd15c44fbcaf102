// What a run needs, each in a process of its own so that CPU can be told apart: pods, an Envoy with the filter, and the
// sidecar as it is shipped: compiled JavaScript, started by its command line.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Found } from "../../envoy/binary.ts";
import { endWithProcess } from "../../envoy/process.ts";
import { startEnvoy, type TestEnvoy } from "../../integration/harness/envoy.ts";
import type { PodsOptions } from "./pods.ts";

export const MODEL = "tiny";
export const SECRET = "bench-secret-0123456789";
const SIDECAR = fileURLToPath(new URL("../../build/sidecar/sidecar/main.js", import.meta.url));

export interface Plan {
  pods: number;
  intervalMs: number;
  gzip: boolean;
  file: string;
}

export interface Stage {
  epoch: number;
  ports: number[];
  envoy: TestEnvoy;
  sidecarPid: number;
  podsPid: number;
  close(): Promise<void>;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (child.exitCode === null ? child.once("exit", () => resolve()) : resolve()));
}

async function startPods(options: PodsOptions): Promise<{ child: ChildProcess; ports: number[] }> {
  const child = fork(fileURLToPath(new URL("./pods.ts", import.meta.url)), { serialization: "advanced" });
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  child.once("exit", forget);
  child.send(options);
  const ports = await new Promise<number[]>((resolve, reject) => {
    child.once("message", (message) => resolve(message as number[]));
    child.once("exit", (code) => reject(new Error(`the pods ended with ${code}`)));
  });
  return { child, ports };
}

export interface StageOptions {
  found: Found;
  wasm: string;
  /** Further arguments for Node, such as --cpu-prof. */
  nodeArguments?: readonly string[];
}

export async function startStage(plan: Plan, { found, wasm, nodeArguments = [] }: StageOptions): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-sidecar-"));
  const epoch = Date.now();
  const { child: pods, ports } = await startPods({
    count: plan.pods,
    file: plan.file,
    model: MODEL,
    epoch,
    gzip: plan.gzip,
  });
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const envoy = await startEnvoy(
    {
      pools: [{ name: "pool", models: [MODEL], endpoints: addresses.slice(0, 4) }],
      wasm: { file: wasm, secret: SECRET, configuration: {} },
    },
    { found, concurrency: 1, logLevel: "error" },
  );
  const config = join(folder, "sidecar.yaml");
  await writeFile(
    config,
    JSON.stringify({
      endpoints: addresses.map((address) => `http://${address}`),
      scrape: { interval: `${plan.intervalMs}ms`, ...(plan.gzip && { gzip: true }) },
      push: { targets: [envoy.url] },
      listen: "127.0.0.1:0",
    }),
  );
  const sidecar = spawn(process.execPath, [...nodeArguments, SIDECAR, "--config", config], {
    env: { ...process.env, PILOTFISH_SECRET: SECRET },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  sidecar.stderr.on("data", (chunk: Buffer) => {
    if (lines.length < 20) lines.push(chunk.toString());
  });
  const forget = endWithProcess(() => sidecar.kill("SIGKILL"));
  sidecar.once("exit", (code) => {
    forget();
    if (code !== 0 && code !== null) process.stderr.write(`the sidecar ended with ${code}:\n${lines.join("")}\n`);
  });
  return {
    epoch,
    ports,
    envoy,
    sidecarPid: sidecar.pid as number,
    podsPid: pods.pid as number,
    async close() {
      sidecar.kill("SIGTERM");
      await ended(sidecar);
      pods.kill("SIGKILL");
      await envoy.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
