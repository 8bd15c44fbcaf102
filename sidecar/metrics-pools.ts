// The metrics of pools, for autoscalers and dashboards.
import { Gauge, type Registry } from "prom-client";
import type { Exported } from "./exported.ts";
import { METRICS } from "./metric-list.ts";
import type { PoolLoad } from "./pools.ts";

type Row = (typeof METRICS)[keyof typeof METRICS];
type PoolGauge = readonly [row: Row, value: (pool: PoolLoad) => number | null];

const OWN: readonly PoolGauge[] = [
  [METRICS.poolEndpoints, (pool) => pool.endpoints],
  [METRICS.poolReady, (pool) => pool.ready],
  [METRICS.poolWaiting, (pool) => pool.waiting],
  [METRICS.poolRunning, (pool) => pool.running],
  [METRICS.poolKvUsage, (pool) => pool.kvUsage],
  [METRICS.poolCacheTokens, (pool) => pool.cacheTokens],
  [METRICS.poolSaturation, (pool) => pool.saturation],
  [METRICS.poolAge, (pool) => (pool.ageMs === null ? null : pool.ageMs / 1000)],
];

const average = (total: number, pool: PoolLoad) => (pool.ready === 0 ? 0 : total / pool.ready);

const ENDPOINT_PICKERS: readonly PoolGauge[] = [
  [METRICS.pickerKvUsage, (pool) => pool.kvUsage ?? 0],
  [METRICS.pickerQueueSize, (pool) => average(pool.waiting, pool)],
  [METRICS.pickerRunning, (pool) => average(pool.running, pool)],
  [METRICS.pickerReady, (pool) => pool.ready],
];

export function poolGauges(registry: Registry, pools: () => readonly PoolLoad[]): void {
  for (const [row, value] of OWN) {
    gauge(registry, row, (set) => {
      for (const pool of pools()) set({ kind: pool.kind, namespace: pool.namespace, pool: pool.name }, value(pool));
    });
  }
  for (const [row, value] of ENDPOINT_PICKERS) {
    gauge(registry, row, (set) => {
      for (const pool of pools()) {
        if (pool.kind === "InferencePool") set({ name: pool.name, namespace: pool.namespace }, value(pool));
      }
    });
  }
}

/** Registers the metric with the readings that AutoscalingMetrics define. */
export function exportedGauge(registry: Registry, exported: () => readonly Exported[]): void {
  gauge(registry, METRICS.exported, (set) => {
    for (const { value, ...values } of exported()) set(values, value);
  });
}

type Set = (labels: Record<string, string>, value: number | null) => void;

/** Registers a gauge whose series are made at each scrape, so that no series outlives its pool. */
function gauge(registry: Registry, { name, help, labelNames }: Row, fill: (set: Set) => void): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      fill((values, value) => {
        if (value !== null) this.set(values, value);
      });
    },
  });
}
