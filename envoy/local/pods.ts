// The pods of a local run, simulated or real, and the models that they serve.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Client } from "undici";
import type { Origin } from "../../sidecar/config/values.ts";
import { exchange } from "../../sidecar/http.ts";
import { type ListedModel, podAddress } from "../../sidecar/pod.ts";
import { parseModels } from "../../sidecar/scrape/model-list.ts";
import type { PodOptions } from "../../simulator/pod.ts";
import type { Pool } from "../config.ts";
import { RunError } from "./run-error.ts";

export interface LocalPod {
  name: string;
  /** ip:port, as in snapshots and in Envoy. */
  address: string;
  models: ListedModel[];
}

/** Small enough that a few concurrent requests make a queue and fill a part of the cache. */
const PARAMS = { slots: 8, kvBlocks: 2048, outputTokens: 6 };

export const SIMULATED: readonly PodOptions[] = [
  { name: "pod-1", models: [{ id: "llama-3.1-8b", adapters: ["food-review-1"] }], params: PARAMS },
  { name: "pod-2", models: [{ id: "llama-3.1-8b", adapters: ["food-review-1"] }], params: PARAMS },
  { name: "pod-3", models: [{ id: "qwen-2.5-3b" }], params: PARAMS },
];

const MODELS_TIMEOUT_MS = 5000;
const MODELS_MAX_BYTES = 1 << 20;

/** Asks a pod for its models, which Envoy's routes need before the sidecar runs. */
export async function askPod(name: string, { host, port }: Origin): Promise<LocalPod> {
  try {
    const ip = isIP(host) ? host : (await lookup(host)).address;
    const address = podAddress(ip, port);
    const client = new Client(`http://${address}`);
    try {
      const asked = { path: "/v1/models", timeoutMs: MODELS_TIMEOUT_MS, maxBytes: MODELS_MAX_BYTES } as const;
      const { status, body } = await exchange(client, { method: "GET", ...asked });
      if (status !== 200) throw new Error(`/v1/models answers ${status}, expected 200`);
      const { models } = parseModels(body);
      if (models.length === 0) throw new Error("/v1/models lists no model");
      return { name, address, models };
    } finally {
      await client.destroy();
    }
  } catch (error) {
    const hint = "Is it a vLLM server that is up, and reachable from here? Correct --pods (PODS=…), or leave it out.";
    throw new RunError(`pod ${name}: ${(error as Error).message}`, hint);
  }
}

/** A pool for each set of pods, with all models that these pods serve. Its name is its first base model. */
export function poolsOf(pods: readonly LocalPod[]): Pool[] {
  const servedBy = new Map<string, { base: boolean; endpoints: string[] }>();
  for (const { address, models } of pods) {
    for (const { name, parent } of models) {
      const known = servedBy.get(name) ?? { base: false, endpoints: [] };
      known.base ||= parent === null;
      known.endpoints.push(address);
      servedBy.set(name, known);
    }
  }
  const pools = new Map<string, { name: string; base: boolean; models: string[]; endpoints: string[] }>();
  for (const [model, { base, endpoints }] of servedBy) {
    const key = [...endpoints].sort().join(" ");
    const pool = pools.get(key) ?? { name: model, base, models: [], endpoints };
    if (base && !pool.base) Object.assign(pool, { name: model, base });
    pool.models.push(model);
    pools.set(key, pool);
  }
  return [...pools.values()].map(({ name, models, endpoints }) => ({ name, models, endpoints }));
}

/** Base models in the order in which pods list them. */
export function baseModels(pods: readonly LocalPod[]): string[] {
  const all = pods.flatMap((pod) => pod.models.filter(({ parent }) => parent === null).map(({ name }) => name));
  return [...new Set(all)];
}
