// The pools' numbers, as an autoscaler or a dashboard reads them. `inference_pool_*` are the endpoint picker's names (Gateway
// API Inference Extension v1.5.0): what was built on them goes on working.

import { Gauge, type Registry } from "prom-client";
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS } from "../protocol/constants.ts";
import type { Exported } from "./exported.ts";
import type { PoolLoad } from "./pools.ts";

interface PoolGauge {
  name: string;
  help: string;
  value: (pool: PoolLoad) => number | null;
}

const OWN: readonly PoolGauge[] = [
  { name: "pilotfish_pool_endpoints", help: "Pods of the pool.", value: (pool) => pool.endpoints },
  { name: "pilotfish_pool_ready", help: "Pods of the pool that may be sent requests.", value: (pool) => pool.ready },
  { name: "pilotfish_pool_waiting", help: "Requests that wait on the pool's pods.", value: (pool) => pool.waiting },
  { name: "pilotfish_pool_running", help: "Requests that run on the pool's pods.", value: (pool) => pool.running },
  {
    name: "pilotfish_pool_kv_usage",
    help: "Share of the KV cache in use, mean over the ready pods.",
    value: (pool) => pool.kvUsage,
  },
  {
    name: "pilotfish_pool_cache_tokens",
    help: "Tokens that the KV caches of the ready pods hold together.",
    value: (pool) => pool.cacheTokens,
  },
  {
    name: "pilotfish_pool_saturation",
    help: `How full the pool is, from 1 on it takes no more: mean over the ready pods of max(waiting / ${FULL_WAITING_REQUESTS}, KV usage / ${FULL_KV_USAGE}).`,
    value: (pool) => pool.saturation,
  },
  {
    name: "pilotfish_pool_age_seconds",
    help: "Age of the oldest reading of a ready pod.",
    value: (pool) => (pool.ageMs === null ? null : pool.ageMs / 1000),
  },
];

const average = (total: number, pool: PoolLoad) => (pool.ready === 0 ? 0 : total / pool.ready);

const ENDPOINT_PICKERS: readonly PoolGauge[] = [
  {
    name: "inference_pool_average_kv_cache_utilization",
    help: "As the endpoint picker says it: mean KV cache usage of an InferencePool.",
    value: (pool) => pool.kvUsage ?? 0,
  },
  {
    name: "inference_pool_average_queue_size",
    help: "As the endpoint picker says it: waiting requests per ready pod of an InferencePool.",
    value: (pool) => average(pool.waiting, pool),
  },
  {
    name: "inference_pool_average_running_requests",
    help: "As the endpoint picker says it: running requests per ready pod of an InferencePool.",
    value: (pool) => average(pool.running, pool),
  },
  {
    name: "inference_pool_ready_pods",
    help: "As the endpoint picker says it: ready pods of an InferencePool.",
    value: (pool) => pool.ready,
  },
];

export function poolGauges(registry: Registry, pools: () => readonly PoolLoad[]): void {
  for (const { name, help, value } of OWN) {
    gauge(registry, { name, help, labels: ["kind", "namespace", "pool"] }, (set) => {
      for (const pool of pools()) set({ kind: pool.kind, namespace: pool.namespace, pool: pool.name }, value(pool));
    });
  }
  for (const { name, help, value } of ENDPOINT_PICKERS) {
    gauge(registry, { name, help, labels: ["name", "namespace"] }, (set) => {
      for (const pool of pools()) {
        if (pool.kind === "InferencePool") set({ name: pool.name, namespace: pool.namespace }, value(pool));
      }
    });
  }
}

/** What AutoscalingMetrics ask for. */
export function exportedGauge(registry: Registry, exported: () => readonly Exported[]): void {
  const labels = ["namespace", "object", "name", "endpoint"];
  const help = "Readings that an AutoscalingMetric (`object`) exports, under its `exportName` (`name`).";
  gauge(registry, { name: "pilotfish_exported", help, labels }, (set) => {
    for (const { value, ...values } of exported()) set(values, value);
  });
}

type Set = (labels: Record<string, string>, value: number | null) => void;

/** Made anew at each reading, so nothing of a pool outlives it. */
function gauge(
  registry: Registry,
  { name, help, labels }: { name: string; help: string; labels: string[] },
  fill: (set: Set) => void,
): void {
  new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset();
      fill((values, value) => {
        if (value !== null) this.set(values, value);
      });
    },
  });
}
