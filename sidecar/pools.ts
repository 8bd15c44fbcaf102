// The load of each pool, from its pods: what an autoscaler and a person ask for.
//
//   saturation = mean over ready pods of max(waiting / FULL_WAITING_REQUESTS, KV usage / FULL_KV_USAGE); a pod whose reading is stale or lacks one of the
//   two counts as 1, and so does a pool without ready pods. From 1 on the pool takes no more. It is the endpoint picker's formula
//   (Gateway API Inference Extension v1.5.0, saturation detector "utilization").

import { FULL_KV_USAGE, FULL_WAITING_REQUESTS } from "../protocol/constants.ts";
import type { Exported } from "./exported.ts";
import type { ClusterSeen } from "./kubernetes/cluster-objects.ts";
import type { Pod } from "./pod.ts";

/** Readings older than this count as full; with slow scrapes, older than two and a half of their intervals. */
const STALE_MS = 200;
const STALE_INTERVALS = 2.5;

interface PoolName {
  /** InferencePool, Service, or "static" for pods that no cluster listed. */
  kind: string;
  namespace: string;
  name: string;
}

export interface PoolLoad extends PoolName {
  endpoints: number;
  ready: number;
  /** Requests over all pods, as last read; of pods that do not tell, none. */
  waiting: number;
  running: number;
  /** Mean over the ready pods that tell, 0...1; null when none does. */
  kvUsage: number | null;
  /** Tokens that the KV caches of the ready pods hold together; 0 when none tells. */
  cacheTokens: number;
  saturation: number;
  /** Of the oldest reading of a ready pod; null without any. */
  ageMs: number | null;
  /** By the `exportName` of an AutoscalingMetric: mean over the pool's pods that it selects. */
  exported: Readonly<Record<string, number>>;
}

const STATIC_POOL: PoolName = { kind: "static", namespace: "", name: "static" };

/** "InferencePool ns/name", as discovery says it. */
function parsePool(of: string): PoolName {
  const [kind = "", path = ""] = of.split(" ");
  const slash = path.indexOf("/");
  return { kind, namespace: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Pools of the pods, and those that the cluster knows though they have none; sorted by kind, namespace and name. */
export function poolLoads(
  pods: Iterable<Pod>,
  seen: readonly ClusterSeen[],
  exported: readonly Exported[],
  at: { now: number; scrapeIntervalMs: number },
): PoolLoad[] {
  const staleMs = Math.max(STALE_MS, STALE_INTERVALS * at.scrapeIntervalMs);
  const members = new Map<string, Pod[]>();
  for (const source of seen) {
    for (const { namespace, name } of source.pools) members.set(`InferencePool ${namespace}/${name}`, []);
  }
  for (const pod of pods) {
    for (const of of pod.cluster?.of ?? ["static"]) {
      const list = members.get(of);
      if (list === undefined) members.set(of, [pod]);
      else list.push(pod);
    }
  }
  return [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([of, list]) => ({
      ...(of === "static" ? STATIC_POOL : parsePool(of)),
      ...loadOf(list, at.now, staleMs),
      exported: meansOf(list, exported),
    }));
}

function meansOf(pods: readonly Pod[], exported: readonly Exported[]): Record<string, number> {
  const addresses = new Set(pods.map((pod) => pod.address));
  const values = new Map<string, number[]>();
  for (const { name, endpoint, value } of exported) {
    if (addresses.has(endpoint)) values.set(name, [...(values.get(name) ?? []), value]);
  }
  return Object.fromEntries([...values].map(([name, list]) => [name, sum(list, (value) => value) / list.length]));
}

function loadOf(pods: readonly Pod[], now: number, staleMs: number): Omit<PoolLoad, keyof PoolName | "exported"> {
  const ready = pods.filter((pod) => pod.health.ready && pod.cluster?.ready !== false && !pod.cluster?.draining);
  const usages = ready.flatMap((pod) => pod.reading?.kvUsage ?? []);
  const ages = ready.flatMap((pod) => (pod.scrapedAt === null ? [] : now - pod.scrapedAt));
  return {
    endpoints: pods.length,
    ready: ready.length,
    waiting: sum(pods, (pod) => pod.reading?.waiting ?? 0),
    running: sum(pods, (pod) => pod.reading?.running ?? 0),
    kvUsage: usages.length === 0 ? null : usages.reduce((total, usage) => total + usage, 0) / usages.length,
    cacheTokens: sum(ready, (pod) => (pod.reading?.kvBlocks ?? 0) * (pod.reading?.blockTokens ?? 0)),
    saturation: ready.length === 0 ? 1 : sum(ready, (pod) => podSaturation(pod, now, staleMs)) / ready.length,
    ageMs: ages.length === 0 ? null : Math.max(...ages),
  };
}

function podSaturation({ reading, scrapedAt }: Pod, now: number, staleMs: number): number {
  if (reading == null || scrapedAt === null || now - scrapedAt > staleMs) return 1;
  const { waiting, kvUsage } = reading;
  if (waiting === null || kvUsage === null) return 1;
  return Math.max(waiting / FULL_WAITING_REQUESTS, kvUsage / FULL_KV_USAGE);
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}
