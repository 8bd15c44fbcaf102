// Starts one simulated vLLM pod in this process: its engines, its routes and its server.
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { ApiProcesses } from "./api-process.ts";
import { type Clock, realClock } from "./clock.ts";
import { Engine } from "./engine/engine.ts";
import { changeParams, type PodStats, statsOf } from "./http/control.ts";
import { ModelRegistry, type ModelSpec } from "./http/models.ts";
import { PodCounts, type PodState, ServingProcesses } from "./http/pod-state.ts";
import { PodServer } from "./http/server.ts";
import { StoredResponses } from "./http/stored.ts";
import { HttpMetrics } from "./metrics/http-metrics.ts";
import { applyPatch, defaultParams, ParamError, type PodParams } from "./params.ts";

export interface PodOptions {
  /** Value of the response header `x-inference-pod`. */
  name: string;
  /** The base models of the pod. The first model is the default. */
  models: ModelSpec[];
  host?: string;
  port?: number;
  params?: Partial<PodParams>;
  /** Number of data-parallel ranks behind the server. Default: 1. */
  engines?: number;
  /** Whether adapters can be loaded later. Always true if a model has adapters. */
  lora?: boolean;
  clock?: Clock;
  random?: () => number;
}

export interface Pod {
  readonly name: string;
  readonly url: string;
  /** `127.0.0.1:port`, the form that the header with the picked endpoint needs. */
  readonly address: string;
  readonly port: number;
  readonly params: Readonly<PodParams>;
  readonly engine: Engine;
  readonly engines: readonly Engine[];
  /** Changes parameters as POST /sim/params does. Throws a ParamError for a wrong parameter. */
  set(patch: Partial<PodParams>): void;
  stats(): PodStats;
  /** Returns the text of /metrics. */
  metrics(): string;
  /** Ends every connection and timer at once. */
  close(): Promise<void>;
}

/** Starts a simulated vLLM pod and resolves when it listens. */
export async function startPod(options: PodOptions): Promise<Pod> {
  check(options);
  const params = defaultParams();
  applyPatch(params, options.params ?? {}, false);
  const clock = options.clock ?? realClock;
  const startedAt = clock.now();
  const engines = Array.from({ length: options.engines ?? 1 }, () => new Engine(params, clock, options.random));
  if (options.lora || options.models.some((model) => (model.adapters ?? []).length > 0)) {
    for (const engine of engines) engine.enableLora();
  }
  const processes = new ApiProcesses(params.apiServers, clock);
  const prefix = randomBytes(8).toString("hex");
  let serial = 0;
  const state: PodState = {
    name: options.name,
    params,
    engines,
    processes,
    api: new ServingProcesses(processes),
    models: new ModelRegistry(options.models, startedAt),
    clock,
    counts: new PodCounts(),
    http: new HttpMetrics(),
    responses: new StoredResponses(),
    id: () => prefix + (++serial).toString(16).padStart(16, "0"),
  };
  const server = new PodServer(state, startedAt);
  const host = options.host ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.server.once("error", reject);
    server.server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    name: options.name,
    url: `http://${address}`,
    address,
    port,
    params,
    engine: engines[0] as Engine,
    engines,
    set: (patch) => changeParams(state, patch),
    stats: () => statsOf(state),
    metrics: () => server.metrics(),
    async close() {
      for (const engine of engines) engine.close();
      processes.close();
      await server.close();
    },
  };
}

function check(options: PodOptions): void {
  if (!/^[\x21-\x7e]+$/.test(options.name)) {
    throw new ParamError("name", options.name, "visible ASCII characters: it goes into a header");
  }
  if (options.models.length === 0) throw new ParamError("models", [], "at least one model");
  const seen = new Set<string>();
  for (const name of options.models.flatMap((model) => [model.id, ...(model.adapters ?? [])])) {
    if (name === "" || seen.has(name)) throw new ParamError("models", name, "names that are unique and not empty");
    seen.add(name);
  }
  const engines = options.engines ?? 1;
  if (!Number.isInteger(engines) || engines < 1 || engines > 64) {
    throw new ParamError("engines", engines, "a whole number from 1 to 64");
  }
}
