// Starts the processes of a run: the upstream, BBR if it was built, and an Envoy for each contender. So no contender pays for the
// ticks and memory of another contender. All Envoys are the same binary with one worker and the same routes.

import { fork } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Found } from "../../envoy/binary.ts";
import { wasmFilter } from "../../envoy/filters.ts";
import type { Json, JsonObject } from "../../envoy/json.ts";
import { endWithProcess } from "../../envoy/process.ts";
import { SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { EndpointView } from "../../protocol/snapshot.ts";
import { keepOnLastCore } from "../../testkit/cpu.ts";
import { startEnvoy, type TestEnvoy, type TestEnvoyConfig } from "../../testkit/envoy/test-envoy.ts";
import type { Contender } from "./contenders.ts";
import { writeFloor } from "./floor.ts";

/** Model names of a realistic length. Each has a route. */
export const MODELS: readonly string[] = [
  "meta-llama/Llama-3.3-70B-Instruct",
  "Qwen/Qwen3-32B",
  "mistral-small",
  "deepseek-ai/DeepSeek-V3.1",
  "gpt-oss-120b",
  "sql-lora",
  "google/gemma-3-27b-it",
  "m",
];

const SECRET = "bench-secret-0123456789";
const BUFFER_LIMIT_BYTES = 16 * 2 ** 20;

interface Upstream {
  endpoints: string[];
  stop(): void;
}

export function startUpstream(): Promise<Upstream> {
  const child = fork(fileURLToPath(new URL("./upstream.ts", import.meta.url)));
  const stop = () => child.kill("SIGKILL");
  const forget = endWithProcess(stop);
  return new Promise((done, fail) => {
    child.once("message", (endpoints) => done({ endpoints: endpoints as string[], stop }));
    child.once("exit", (status) => {
      forget();
      fail(new Error(`the upstream ended with ${status}`));
    });
  });
}

export interface Runner {
  contender: Contender;
  envoy: TestEnvoy;
  pid: number;
  /** Id of the contender's process beside Envoy. */
  otherPid: number | undefined;
}

export interface SetupOptions {
  found: Found;
  upstream: Upstream;
  wasmFile: string;
  bbrPid: number | undefined;
}

export async function startRunner(contender: Contender, options: SetupOptions): Promise<Runner> {
  const config: TestEnvoyConfig = {
    pools: [{ name: "pool", models: MODELS, endpoints: options.upstream.endpoints }],
    bufferLimitBytes: contender.bufferLimitBytes ?? BUFFER_LIMIT_BYTES,
    filtersBefore: contender.filters,
  };
  const { perHost } = contender;
  if (perHost) config.edit = (bootstrap) => configureHost(bootstrap, perHost);
  if (contender.clusters) config.clusters = contender.clusters;
  if (contender.pilotfish) {
    const snapshot = { staleAfter: "3600s" };
    const wasm = { file: contender.wasmFile ?? options.wasmFile, secret: SECRET };
    if (!contender.roles) config.wasm = { ...wasm, configuration: { snapshot } };
    else
      config.filtersBefore = [
        wasmFilter({ ...wasm, name: "reader", vmId: "reader", configuration: { role: "reader", snapshot } }),
        wasmFilter({ ...wasm, name: "holder", vmId: "holder", configuration: { role: "holder" } }),
      ].map(withoutFlag);
  }
  if (contender.floor) {
    const file = await writeFloor(contender.floor, options.upstream.endpoints, dirname(options.wasmFile));
    config.wasm = { file };
  }
  const envoy = await startEnvoy(config, { found: options.found, concurrency: 1, logLevel: "error" });
  if (envoy.pid === undefined) throw new Error("the Envoy has no process id on this machine");
  keepOnLastCore(envoy.pid);
  const runner: Runner = {
    contender,
    envoy,
    pid: envoy.pid,
    otherPid: contender.bbr ? options.bbrPid : undefined,
  };
  await refresh(runner, options.upstream);
  return runner;
}

/** Sets what Envoy's configuration generator has no option for. */
function withoutFlag(filter: JsonObject): JsonObject {
  delete ((filter.typed_config as JsonObject).config as JsonObject).allow_on_headers_stop_iteration;
  return filter;
}

/** Adds a filter's configuration to the virtual host, so that the routes stay the same for all contenders. */
function configureHost(bootstrap: JsonObject, perHost: JsonObject): void {
  let hosts = 0;
  const visit = (value: Json | undefined): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      visit(inner);
      if (key !== "virtual_hosts" || !Array.isArray(inner)) continue;
      for (const host of inner as JsonObject[]) {
        host.typed_per_filter_config = perHost;
        hosts++;
      }
    }
  };
  visit(bootstrap);
  if (hosts === 0) throw new Error("the bootstrap has no virtual host, one is expected");
}

let lastVersion = 0n;

/** Pushes a fresh snapshot to Pilotfish; other contenders need none. */
export async function refresh(runner: Runner, upstream: Upstream): Promise<void> {
  if (!runner.contender.pilotfish) return;
  const now = BigInt(Date.now()) * 1000n;
  lastVersion = now > lastVersion ? now : lastVersion + 1n;
  const body = encodeSnapshot({
    version: lastVersion,
    source: 1n,
    endpoints: upstream.endpoints.map(idle),
    models: MODELS.map((name) => ({
      name,
      kind: "base",
      base: name,
      endpoints: upstream.endpoints.map((address) => ({ address, state: "listed" })),
    })),
  });
  const response = await fetch(`${runner.envoy.url}${SNAPSHOT_PATH}`, {
    method: "POST",
    headers: { [SECRET_HEADER]: SECRET, "content-type": "application/octet-stream" },
    body: Uint8Array.from(body),
  });
  if (!response.ok) throw new Error(`the snapshot was answered with ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
}

function idle(address: string, index: number): EndpointView {
  return {
    address,
    ready: true,
    draining: false,
    asleep: false,
    waiting: 0,
    running: index,
    kvUsage: 0.1 * index,
    scrapeAgeMs: 10,
    kvBlocks: 10_000,
    blockTokens: 16,
    maxLora: 0,
  };
}
