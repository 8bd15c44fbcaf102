// A real Envoy with the release wasm: its configuration, its counters, and snapshots that a test pushes.
import http from "node:http";
import { fileURLToPath } from "node:url";
import type { WasmOptions } from "../../envoy/filters.ts";
import type { Json, JsonObject } from "../../envoy/json.ts";
import { SECRET_HEADER, SNAPSHOT_PATH } from "../../protocol/constants.ts";
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { EndpointView, ModelView } from "../../protocol/snapshot.ts";
import { type Answer, send } from "../http.ts";
import { until } from "../until.ts";
import { startEnvoy, type TestEnvoy, type TestEnvoyConfig } from "./test-envoy.ts";

export const SECRET = "integration-secret-0123";
/** The module that `npm run build` makes, or the module that PILOTFISH_WASM names. */
export const MODULE =
  process.env.PILOTFISH_WASM ?? fileURLToPath(new URL("../../build/pilotfish.wasm", import.meta.url));

/** A snapshot that is pushed once stays fresh for a whole test file. */
const NEVER_STALE: JsonObject = { staleAfter: "3600s" };

export interface GatewayConfig extends Omit<TestEnvoyConfig, "wasm"> {
  /** The filter's configuration. */
  filter?: JsonObject;
  wasm?: Partial<WasmOptions>;
}

export function startGateway(config: GatewayConfig, concurrency = 2): Promise<TestEnvoy> {
  const { filter = {}, wasm = {}, ...rest } = config;
  const configuration: Json = { snapshot: NEVER_STALE, ...filter };
  return startEnvoy({ ...rest, wasm: { file: MODULE, secret: SECRET, configuration, ...wasm } }, { concurrency });
}

const PREFIX = "wasmcustom.pilotfish.";

/** The filter's counters and gauges by their own names. A counter that never counted is absent. */
export async function counters(envoy: TestEnvoy): Promise<Map<string, number>> {
  const stats = await envoy.stats("^wasmcustom\\.pilotfish\\.");
  return new Map([...stats].map(([name, value]) => [name.slice(PREFIX.length), value]));
}

export async function counter(envoy: TestEnvoy, name: string): Promise<number> {
  return (await counters(envoy)).get(name) ?? 0;
}

/** How much each counter of requests rose during `action`. Unchanged counters are left out. */
export async function rises(envoy: TestEnvoy, action: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await counters(envoy);
  await action();
  const result: Record<string, number> = {};
  for (const [name, value] of await counters(envoy)) {
    // A sidecar pushes, and asks for a traffic report, at any time.
    if (name === "in_flight" || name === "reported" || name.startsWith("snapshot.")) continue;
    const rise = value - (before.get(name) ?? 0);
    if (rise !== 0) result[name] = rise;
  }
  return result;
}

export interface Served {
  address: string;
  waiting?: number | null;
  running?: number | null;
  kvUsage?: number | null;
  ready?: boolean;
}

/** Model name → its endpoints; a model with `base` is an adapter. */
export type Models = Record<string, { on: readonly Served[]; base?: string }>;

let lastVersion = 0n;

/** The bytes of a snapshot that is newer than every earlier one. */
export function snapshotOf(models: Models, version = nextVersion()): Uint8Array {
  const endpoints = new Map<string, EndpointView>();
  const views: ModelView[] = [];
  for (const [name, { on, base }] of Object.entries(models)) {
    for (const served of on) endpoints.set(served.address, endpointOf(served));
    views.push({
      name,
      kind: base === undefined ? "base" : "adapter",
      base: base ?? name,
      endpoints: on.map(({ address }) => ({ address, state: "listed" })),
    });
  }
  return encodeSnapshot({ version, source: 7n, endpoints: [...endpoints.values()], models: views });
}

/** A version that is at least `laterMs` after the last one, whatever the real clock says. */
export function nextVersion(laterMs = 0): bigint {
  const now = BigInt(Date.now()) * 1000n;
  const least = lastVersion + BigInt(laterMs) * 1000n + 1n;
  lastVersion = now > least ? now : least;
  return lastVersion;
}

function endpointOf({ address, waiting = 0, running = 0, kvUsage = 0, ready = true }: Served): EndpointView {
  return {
    address,
    ready,
    draining: false,
    asleep: false,
    waiting,
    running,
    kvUsage,
    scrapeAgeMs: 0,
    kvBlocks: null,
    blockTokens: null,
    maxLora: 0,
  };
}

export function push(url: string, body: Uint8Array, secret: string = SECRET): Promise<Answer> {
  return send(url, { method: "POST", path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: secret }, body });
}

export function readBack(url: string, agent?: http.Agent): Promise<Answer> {
  return send(url, { path: SNAPSHOT_PATH, headers: { [SECRET_HEADER]: SECRET }, ...(agent && { agent }) });
}

/**
 * Reads back from every worker, which also makes every worker use the newest snapshot. All eight connections are open at the
 * same time, and Envoy spreads open connections evenly over the workers.
 */
export async function readBackFromAll(url: string): Promise<Answer[]> {
  const agent = new http.Agent({ keepAlive: true });
  try {
    return await Promise.all(Array.from({ length: 8 }, () => readBack(url, agent)));
  } finally {
    agent.destroy();
  }
}

/** Pushes a snapshot and makes every worker use it. */
export async function pushToAll(envoy: TestEnvoy, models: Models): Promise<void> {
  const answer = await push(envoy.url, snapshotOf(models));
  if (answer.status !== 200) throw new Error(`push: ${answer.status} ${answer.text}`);
  await readBackFromAll(envoy.url);
}

/** In-flight requests per address, as each worker counts them for all workers together. */
export async function inFlight(envoy: TestEnvoy): Promise<Map<string, number>[]> {
  return (await readBackFromAll(envoy.url)).map(({ json }) => {
    const { endpoints } = json as { endpoints: { address: string; inFlight: number }[] };
    return new Map(endpoints.map(({ address, inFlight: count }) => [address, count]));
  });
}

/**
 * Waits until every worker counts `requests` in flight. A worker counts its own requests at once, and the other workers' requests
 * after it has received their counts.
 */
export async function everyWorkerCounts(envoy: TestEnvoy, requests: number): Promise<void> {
  await until(`${requests} in flight for every worker`, async () =>
    (await inFlight(envoy)).every((counts) => [...counts.values()].reduce((sum, one) => sum + one, 0) === requests),
  );
}

/**
 * Waits until the gauge and all read-backs show that nothing is in flight. A worker's view of the others is one tick old, or up to
 * 200 ms while the worker is idle. A leaked count never goes away.
 */
export async function nothingInFlight(envoy: TestEnvoy): Promise<void> {
  let last = "";
  const probe = async () => {
    const seen = await inFlight(envoy);
    const gauge = await counter(envoy, "in_flight");
    last = `gauge ${gauge}, ${seen.map((counts) => JSON.stringify([...counts])).join(" ")}`;
    return gauge === 0 && seen.every((counts) => [...counts.values()].every((count) => count === 0));
  };
  await until("nothing to be in flight", probe).catch((error: Error) => {
    throw new Error(`${error.message}; last seen: ${last}`);
  });
}
