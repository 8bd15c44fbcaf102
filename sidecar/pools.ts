// Computes the load of each pool from its pods, for autoscalers and for people.
//
//   saturation = mean over ready pods of max(waiting / FULL_WAITING_REQUESTS, KV usage / FULL_KV_USAGE)
//
// A pod with a stale or incomplete reading counts as 1, and so does a pool without ready pods. At 1 the pool is full. The
// formula is the endpoint picker's (Gateway API Inference Extension v1.5.0, saturation detector "utilization").
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS } from "../protocol/constants.ts";
import type { Exported } from "./exported.ts";
import type { ClusterSeen } from "./kubernetes/cluster-objects.ts";
import type { Pod } from "./pod.ts";

/** A reading is stale after STALE_MS, or after STALE_INTERVALS times the pod's planned time between scrapes if that is longer. */
const STALE_MS = 200;
const STALE_INTERVALS = 2.5;

interface PoolName {
  /** "InferencePool", "Service", or "static" for pods that are not from a cluster. */
  kind: string;
  namespace: string;
  name: string;
}

export interface PoolLoad extends PoolName {
  endpoints: number;
  ready: number;
  /** Number of requests of all pods, by their last readings. A pod without the number counts as 0. */
  waiting: number;
  running: number;
  /** Mean over the ready pods that report the usage, 0 to 1; null: no pod reports the usage. */
  kvUsage: number | null;
  /** Size of the KV caches of all ready pods, in tokens. A pod without the number counts as 0. */
  cacheTokens: number;
  saturation: number;
  /** Age of the oldest reading of a ready pod; null: no reading. */
  ageMs: number | null;
  /** Export name of an AutoscalingMetric -> mean over the selected pods of the pool. */
  exported: Readonly<Record<string, number>>;
}

interface PoolTimes {
  /** Clock.now(). */
  now: number;
  /** The planned time between two scrapes of a pod that has no good scrape yet, ms. */
  scrapeIntervalMs: number;
}

const STATIC_POOL: PoolName = { kind: "static", namespace: "", name: "static" };

/** Splits a pool's name for people. `of`: such as "InferencePool default/llama". */
function parsePool(of: string): PoolName {
  const [kind = "", path = ""] = of.split(" ");
  const slash = path.indexOf("/");
  return { kind, namespace: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Returns all pools that have pods, and the pools of the cluster without pods. They are sorted by kind, namespace and name. */
export function poolLoads(
  pods: Iterable<Pod>,
  seen: readonly ClusterSeen[],
  exported: readonly Exported[],
  at: PoolTimes,
): PoolLoad[] {
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
      ...loadOf(list, at),
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

function loadOf(pods: readonly Pod[], at: PoolTimes): Omit<PoolLoad, keyof PoolName | "exported"> {
  const ready = pods.filter((pod) => pod.health.ready && pod.cluster?.ready !== false && !pod.cluster?.draining);
  const usages = ready.flatMap((pod) => pod.reading?.kvUsage ?? []);
  const ages = ready.flatMap((pod) => (pod.scrapedAt === null ? [] : at.now - pod.scrapedAt));
  return {
    endpoints: pods.length,
    ready: ready.length,
    waiting: sum(pods, (pod) => pod.reading?.waiting ?? 0),
    running: sum(pods, (pod) => pod.reading?.running ?? 0),
    kvUsage: usages.length === 0 ? null : usages.reduce((total, usage) => total + usage, 0) / usages.length,
    cacheTokens: sum(ready, (pod) => (pod.reading?.kvBlocks ?? 0) * (pod.reading?.blockTokens ?? 0)),
    saturation: ready.length === 0 ? 1 : sum(ready, (pod) => podSaturation(pod, at)) / ready.length,
    ageMs: ages.length === 0 ? null : Math.max(...ages),
  };
}

function podSaturation({ reading, scrapedAt, paceMs }: Pod, { now, scrapeIntervalMs }: PoolTimes): number {
  const staleMs = Math.max(STALE_MS, STALE_INTERVALS * (paceMs ?? scrapeIntervalMs));
  if (reading == null || scrapedAt === null || now - scrapedAt > staleMs) return 1;
  const { waiting, kvUsage } = reading;
  if (waiting === null || kvUsage === null) return 1;
  return Math.max(waiting / FULL_WAITING_REQUESTS, kvUsage / FULL_KV_USAGE);
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}
