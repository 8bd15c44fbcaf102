// The sidecar's own metrics: one list. Labels are endpoints, targets, sources and fixed words; the series of a pod
// that is gone are removed.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { Exported } from "./exported.ts";
import { FAILURES, type Failure } from "./http.ts";
import { exportedGauge, poolGauges } from "./metrics-pools.ts";
import type { Pod } from "./pod.ts";
import type { PoolLoad } from "./pools.ts";
import { PUSH_RESULTS, type PushResult } from "./push/answer.ts";
import type { MadeSnapshot } from "./snapshot/source.ts";
import { Tally } from "./tally.ts";

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What is asked for only when the metrics are read. */
export interface Watched {
  pods(): Iterable<Pod>;
  targets(): Iterable<{ origin: string; acceptedAt: number | null }>;
  pools(): readonly PoolLoad[];
  exported(): readonly Exported[];
}

export interface Metrics {
  registry: Registry;
  scraped(endpoint: string, seconds: number): void;
  scrapeFailed(endpoint: string, reason: Failure): void;
  modelsFailed(endpoint: string, reason: Failure): void;
  probeFailed(endpoint: string, reason: Failure): void;
  crowded(): void;
  discoveryFailed(source: string): void;
  pushed(target: string, result: PushResult, seconds: number, snapshot: MadeSnapshot | undefined): void;
  reloaded(result: "ok" | "refused"): void;
  forget(endpoint: string): void;
}

function perEndpoint(registry: Registry, watched: Watched, clock: Clock): void {
  const gauge = (name: string, help: string, value: (pod: Pod) => number | null) =>
    new Gauge({
      name,
      help,
      labelNames: ["endpoint"],
      registers: [registry],
      collect() {
        // Made anew at each reading, so nothing of a pod outlives it.
        this.reset();
        for (const pod of watched.pods()) {
          const now = value(pod);
          if (now !== null) this.set({ endpoint: pod.address }, now);
        }
      },
    });
  const age = (pod: Pod) => (pod.scrapedAt === null ? null : (clock.now() - pod.scrapedAt) / 1000);
  gauge("pilotfish_endpoint_ready", "1 where the pod may be sent requests.", (pod) => Number(pod.health.ready));
  gauge("pilotfish_endpoint_asleep", "1 where the engine sleeps.", (pod) => Number(pod.reading?.asleep ?? false));
  gauge(
    "pilotfish_endpoint_waiting",
    "Requests that wait on the pod, as last read.",
    (pod) => pod.reading?.waiting ?? null,
  );
  gauge(
    "pilotfish_endpoint_running",
    "Requests that run on the pod, as last read.",
    (pod) => pod.reading?.running ?? null,
  );
  gauge(
    "pilotfish_endpoint_kv_usage",
    "Share of the KV cache in use, 0 to 1, as last read.",
    (pod) => pod.reading?.kvUsage ?? null,
  );
  gauge("pilotfish_scrape_age_seconds", "How old the pod's last good reading is.", age);
}

export function createMetrics(watched: Watched, clock: Clock): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  perEndpoint(registry, watched, clock);
  poolGauges(registry, watched.pools);
  exportedGauge(registry, watched.exported);
  const tally = new Tally(BUCKETS);
  new Counter({
    name: "pilotfish_scrapes_total",
    help: "Reads of a pod's metrics by result: ok, or why there was none.",
    labelNames: ["endpoint", "result"],
    registers,
    collect() {
      this.reset();
      for (const { endpoint, good } of tally.endpoints()) this.inc({ endpoint, result: "ok" }, good);
      for (const [endpoint, reasons] of failed)
        for (const [result, times] of reasons) this.inc({ endpoint, result }, times);
    },
  });
  const failed = new Map<string, Map<Failure, number>>();
  registry.registerMetric(
    tally.histogram(
      "pilotfish_scrape_duration_seconds",
      "How long good reads of metrics took, all pods together.",
    ) as unknown as Histogram,
  );
  new Gauge({
    name: "pilotfish_scrape_last_duration_seconds",
    help: "How long the pod's last good read took.",
    labelNames: ["endpoint"],
    registers,
    collect() {
      this.reset();
      for (const { endpoint, lastSeconds } of tally.endpoints()) this.set({ endpoint }, lastSeconds);
    },
  });
  const models = new Counter({
    name: "pilotfish_models_errors_total",
    help: "Reads of a pod's /v1/models that failed, by why.",
    labelNames: ["endpoint", "result"],
    registers,
  });
  const probes = new Counter({
    name: "pilotfish_probe_errors_total",
    help: "Probes of a pod's health that failed, by why.",
    labelNames: ["endpoint", "result"],
    registers,
  });
  const crowded = new Counter({
    name: "pilotfish_scrapes_put_off_total",
    help: "Scrapes that waited for another interval because `scrape.concurrency` of them were under way.",
    registers,
  });
  const discovery = new Counter({
    name: "pilotfish_discovery_errors_total",
    help: "Failed attempts to learn which pods there are.",
    labelNames: ["source"],
    registers,
  });
  const pushes = new Counter({
    name: "pilotfish_pushes_total",
    help: "Pushed snapshots by result: ok, or why it was not taken.",
    labelNames: ["target", "result"],
    registers,
  });
  const pushSeconds = new Histogram({
    name: "pilotfish_push_duration_seconds",
    help: "How long pushes took, to the filter's answer.",
    labelNames: ["target"],
    buckets: BUCKETS,
    registers,
  });
  new Gauge({
    name: "pilotfish_push_age_seconds",
    help: "How long ago the last push was begun that the target took.",
    labelNames: ["target"],
    registers,
    collect() {
      for (const { origin, acceptedAt } of watched.targets()) {
        if (acceptedAt !== null) this.set({ target: origin }, (clock.now() - acceptedAt) / 1000);
      }
    },
  });
  const snapshotBytes = new Gauge({ name: "pilotfish_snapshot_bytes", help: "Size of the last snapshot.", registers });
  const endpoints = new Gauge({ name: "pilotfish_snapshot_endpoints", help: "Pods in the last snapshot.", registers });
  const listed = new Gauge({
    name: "pilotfish_snapshot_models",
    help: "Models and adapters in the last snapshot.",
    registers,
  });
  const dropped = new Gauge({
    name: "pilotfish_snapshot_dropped",
    help: "Pods, models and objects that the last snapshot had no room for.",
    registers,
  });
  const reloads = new Counter({
    name: "pilotfish_config_reloads_total",
    help: "Changed configurations by result: ok, or refused because they are wrong.",
    labelNames: ["result"],
    registers,
  });
  for (const result of ["ok", "refused"]) reloads.inc({ result }, 0);

  const known = new Set<string>();

  return {
    registry,
    scraped: (endpoint, seconds) => tally.scraped(endpoint, seconds),
    scrapeFailed(endpoint, reason) {
      const reasons = failed.get(endpoint) ?? new Map<Failure, number>();
      failed.set(endpoint, reasons);
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    },
    modelsFailed: (endpoint, result) => models.inc({ endpoint, result }),
    probeFailed: (endpoint, result) => probes.inc({ endpoint, result }),
    crowded: () => crowded.inc(),
    discoveryFailed: (source) => discovery.inc({ source }),
    pushed(target, result, seconds, snapshot) {
      // All results are there from a target's first push on, so that a rate can be taken of each.
      if (!known.has(target)) for (const each of PUSH_RESULTS) pushes.inc({ target, result: each }, 0);
      known.add(target);
      pushes.inc({ target, result });
      pushSeconds.observe({ target }, seconds);
      if (snapshot === undefined) return;
      snapshotBytes.set(snapshot.bytes.length);
      endpoints.set(snapshot.endpoints);
      listed.set(snapshot.models);
      dropped.set(snapshot.dropped.endpoints + snapshot.dropped.models + snapshot.dropped.objects);
    },
    reloaded: (result) => reloads.inc({ result }),
    forget(endpoint) {
      tally.forget(endpoint);
      failed.delete(endpoint);
      for (const result of FAILURES) {
        models.remove({ endpoint, result });
        probes.remove({ endpoint, result });
      }
    },
  };
}

/** Name and help of each of the sidecar's own metrics (without those of the process): what the README's table says. */
export async function metricsTable(): Promise<Array<{ name: string; type: string; meaning: string }>> {
  const nothing: Watched = { pods: () => [], targets: () => [], pools: () => [], exported: () => [] };
  const { registry } = createMetrics(nothing, { now: () => 0, epochMicros: () => 0n });
  const all = await registry.getMetricsAsJSON();
  return all
    .filter(({ name }) => /^(pilotfish|inference_pool)_/.test(name))
    .map(({ name, type, help }) => ({ name, type: String(type), meaning: help }));
}
