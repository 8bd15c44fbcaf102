// Starts the processes of a run: the pods, an Envoy with the filter, and the sidecar as it ships, which is compiled JavaScript with a
// command line. The processes are separate, so that the bench can measure the CPU of each.
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Found } from "../../envoy/binary.ts";
import { endWithProcess } from "../../envoy/process.ts";
import { startEnvoy, type TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import type { Fault, PodsOptions, Served } from "./pods.ts";

const MODEL = "tiny";
export const SECRET = "bench-secret-0123456789";

export interface Plan {
  pods: number;
  intervalMs: number;
  gzip: boolean;
  /** Whether the pods honour name[]. */
  names: boolean;
  file: string;
}

export interface Stage {
  epoch: number;
  /** Folder of the manifests that list the pods; only with `manifests`. */
  write(addresses: readonly string[]): Promise<void>;
  fail(pod: number, fault: Fault): void;
  addresses: string[];
  envoy: TestEnvoy;
  sidecarPid: number;
  podsPid: number;
  /** Scrapes that the pods have answered. */
  served(): Promise<Served>;
  /** Ends the sidecar only. Pods and Envoy continue. */
  endSidecar(): Promise<void>;
  close(): Promise<void>;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) =>
    child.exitCode === null && child.signalCode === null ? child.once("exit", () => resolve()) : resolve(),
  );
}

async function startPods(options: PodsOptions): Promise<{ child: ChildProcess; addresses: string[] }> {
  const child = fork(fileURLToPath(new URL("./pods.ts", import.meta.url)), { serialization: "advanced" });
  const forget = endWithProcess(() => child.kill("SIGKILL"));
  child.once("exit", forget);
  child.send(options);
  const addresses = await new Promise<string[]>((resolve, reject) => {
    child.once("message", (message) => resolve(message as string[]));
    child.once("exit", (code) => reject(new Error(`the pods ended with ${code}`)));
  });
  return { child, addresses };
}

/** Sets the priority of all current threads; later threads inherit it. */
function takePrecedence(pid: number): void {
  const done = spawnSync("chrt", ["--all-tasks", "--rr", "--pid", "1", String(pid)], { encoding: "utf8" });
  if (done.status !== 0)
    throw new Error(`--precedence: chrt (util-linux) refused: ${done.stderr || done.error?.message}`);
}

export interface StageOptions {
  /** Whether pods, Envoy and sidecar run with real-time priority (SCHED_RR), for a machine with other work. */
  precedence?: boolean;
  found: Found;
  wasm: string;
  /** The compiled sidecar. */
  sidecar: string;
  /** The sidecar finds this many pods by manifests in a folder, which can change. */
  manifests?: number;
  /** Further arguments for Node, such as --cpu-prof. */
  nodeArguments?: readonly string[];
}

export async function startStage(
  plan: Plan,
  { found, wasm, sidecar: program, nodeArguments = [], manifests, precedence = false }: StageOptions,
): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-sidecar-"));
  const epoch = Date.now();
  const { child: pods, addresses } = await startPods({
    count: plan.pods,
    file: plan.file,
    model: MODEL,
    epoch,
    gzip: plan.gzip,
    names: plan.names,
  });
  const envoy = await startEnvoy(
    {
      pools: [{ name: "pool", models: [MODEL], endpoints: addresses.slice(0, 4) }],
      wasm: { file: wasm, secret: SECRET, configuration: {} },
    },
    { found, concurrency: 1, logLevel: "error" },
  );
  const directory = join(folder, "manifests");
  const write = async (listed: readonly string[]) => {
    await mkdir(directory, { recursive: true });
    // The file is moved into the folder, because an incomplete file would be a smaller cluster for a moment.
    await writeFile(join(folder, "next"), JSON.stringify(manifestsOf(listed)));
    await rename(join(folder, "next"), join(directory, "pods.json"));
  };
  if (manifests !== undefined) await write(addresses.slice(0, manifests));
  const config = join(folder, "sidecar.yaml");
  await writeFile(
    config,
    JSON.stringify({
      ...(manifests === undefined
        ? { endpoints: addresses.map((address) => `http://${address}`) }
        : { manifests: { directory } }),
      scrape: {
        interval: `${plan.intervalMs}ms`,
        maxInterval: `${plan.intervalMs}ms`,
        ...(plan.gzip && { gzip: true }),
      },
      push: { targets: [envoy.url] },
      listen: "127.0.0.1:0",
    }),
  );
  const sidecar = spawn(process.execPath, [...nodeArguments, program, "--config", config], {
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
  if (precedence) {
    for (const pid of [pods.pid, envoy.pid, sidecar.pid, process.pid]) if (pid !== undefined) takePrecedence(pid);
  }
  const endSidecar = async () => {
    sidecar.kill("SIGTERM");
    await ended(sidecar);
  };
  return {
    epoch,
    addresses,
    envoy,
    sidecarPid: sidecar.pid as number,
    podsPid: pods.pid as number,
    write,
    fail: (pod, fault) => void pods.send({ pod, fault }),
    served: () =>
      new Promise((resolve) => {
        pods.once("message", (message) => resolve(message as Served));
        pods.send("served");
      }),
    endSidecar,
    async close() {
      await endSidecar();
      pods.kill("SIGKILL");
      await envoy.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A pool and its pods as a List, in the format of kubectl. */
function manifestsOf(addresses: readonly string[]): object {
  const [ip, port] = hostAndPort(addresses[0] ?? "");
  const pool = {
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { name: "pool", namespace: "default" },
    spec: {
      selector: { matchLabels: { app: ip === "" ? "none" : "bench" } },
      targetPorts: [{ number: Number(port) }],
      endpointPickerRef: { name: "none", port: { number: 9002 } },
    },
  };
  const pods = addresses.map((address, i) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${i}`, namespace: "default", labels: { app: "bench" } },
    spec: { containers: [{ name: "server", image: "simulated" }] },
    status: {
      phase: "Running",
      podIP: hostAndPort(address)[0],
      podIPs: [{ ip: hostAndPort(address)[0] }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  }));
  return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: "" }, items: [pool, ...pods] };
}

function hostAndPort(address: string): [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon), address.slice(colon + 1)];
}
