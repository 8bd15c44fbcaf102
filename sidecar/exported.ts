// The metrics that AutoscalingMetrics define: readings of the selected pods, under their export names.
import { isIP } from "node:net";
import type { Signal } from "./engines/engine-rows.ts";
import { type EngineTable, enginesFor } from "./engines/index.ts";
import type { ClusterSeen, LoadMetric, PodObject } from "./kubernetes/cluster-objects.ts";
import type { Pod } from "./pod.ts";

export interface Exported {
  /** The namespace and the name of the AutoscalingMetric. */
  namespace: string;
  object: string;
  /** The `exportName` of the metric, else the metric's own name. */
  name: string;
  endpoint: string;
  value: number;
}

/**
 * Returns the exported metrics, sorted by namespace, object, name and endpoint. Leaves out a metric if the table of the pod's
 * engine has no signal for it.
 */
export function exportedMetrics(pods: readonly Pod[], seen: readonly ClusterSeen[], table: EngineTable): Exported[] {
  const found: Exported[] = [];
  for (const { pods: objects, policies } of seen) {
    for (const wanted of policies) {
      if (wanted.kind !== "load-metric") continue;
      const selected = new Set(objects.filter((object) => selects(wanted, object)).map(({ ip }) => ip));
      if (selected.size === 0) continue;
      for (const pod of pods) if (selected.has(ipOf(pod.address))) found.push(...readingsOf(pod, wanted, table));
    }
  }
  return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function selects({ namespace, selector }: LoadMetric, pod: PodObject): boolean {
  if (pod.ip === null || pod.namespace !== namespace) return false;
  return Object.entries(selector).every(([label, value]) => pod.labels[label] === value);
}

function ipOf(address: string): string {
  const ip = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return isIP(ip) === 0 ? "" : ip;
}

function readingsOf(pod: Pod, { namespace, name: object, metrics }: LoadMetric, table: EngineTable): Exported[] {
  const { reading, address: endpoint } = pod;
  if (reading === null) return [];
  const rows = enginesFor(reading.engine ?? pod.engine, table).flatMap((engine) => engine.rows);
  return metrics.flatMap(({ name, exportName }) => {
    const row = rows.find((each) => each.kind === "gauge" && each.metric === name);
    const value = row?.kind === "gauge" ? signalOf(reading, row.signal) : null;
    return value === null ? [] : [{ namespace, object, name: exportName, endpoint, value }];
  });
}

function signalOf(reading: NonNullable<Pod["reading"]>, signal: Signal): number | null {
  return signal === "awake" ? Number(!reading.asleep) : reading[signal];
}

function keyOf({ namespace, object, name, endpoint }: Exported): string {
  return `${namespace}\0${object}\0${name}\0${endpoint}`;
}
