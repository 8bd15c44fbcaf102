// The sidecar's own metrics, made from the list in metric-list.ts. The values of labels are endpoints, targets, sources and
// fixed words. When an endpoint is gone, its series are removed.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import type { Exported } from "./exported.ts";
import { FAILURES, type Failure } from "./http.ts";
import type { ServerCosts } from "./learn/server-costs.ts";
import type { Tokenizer } from "./learn/tokenizer-fit.ts";
import { METRICS } from "./metric-list.ts";
import { exportedGauge, poolGauges } from "./metrics-pools.ts";
import { scrapeMetrics } from "./metrics-scrapes.ts";
import type { Pod } from "./pod.ts";
import type { PoolLoad } from "./pools.ts";
import { PUSH_RESULTS, type PushResult } from "./push/push-answer.ts";
import type { ReadingsEvent } from "./push/readings-exchange.ts";
import type { MadeSnapshot } from "./snapshot/source.ts";
import { Tally } from "./tally.ts";

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Values that are asked for only when the metrics are scraped. */
interface Watched {
  pods(): Iterable<Pod>;
  costsOf(pod: Pod): ServerCosts;
  tokenizers(): ReadonlyMap<string, Tokenizer>;
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
  /** Readings of endpoints between sidecars. */
  shared(event: ReadingsEvent, count: number): void;
  reloaded(result: "ok" | "refused"): void;
  forget(endpoint: string): void;
}

type Row = (typeof METRICS)[keyof typeof METRICS];

/** Copies the label names, since prom-client changes the arrays that it gets. */
const optionsOf = ({ name, help, labelNames }: Row) => ({ name, help, labelNames: [...labelNames] });

/** A gauge with a series for each endpoint of which `value` is known. */
function endpointGauge(
  registry: Registry,
  watched: Watched,
  row: Row,
  value: (pod: Pod) => number | null | undefined,
): void {
  new Gauge({
    ...optionsOf(row),
    registers: [registry],
    collect() {
      // The series are made at each scrape, so that no series outlives its endpoint.
      this.reset();
      for (const pod of watched.pods()) {
        const now = value(pod) ?? null;
        if (now !== null) this.set({ endpoint: pod.address }, now);
      }
    },
  });
}

function perEndpoint(registry: Registry, watched: Watched, clock: Clock): void {
  const gauge = (row: Row, value: (pod: Pod) => number | null) => endpointGauge(registry, watched, row, value);
  gauge(METRICS.endpointReady, (pod) => Number(pod.health.ready));
  gauge(METRICS.endpointAsleep, (pod) => Number(pod.reading?.asleep ?? false));
  gauge(METRICS.endpointWaiting, (pod) => pod.reading?.waiting ?? null);
  gauge(METRICS.endpointRunning, (pod) => pod.reading?.running ?? null);
  gauge(METRICS.endpointKvUsage, (pod) => pod.reading?.kvUsage ?? null);
  gauge(METRICS.scrapedElsewhere, ({ respondedAt, scrapedBy }) =>
    respondedAt === undefined ? null : Number(scrapedBy !== undefined),
  );
  gauge(METRICS.scrapeAge, ({ scrapedAt, respondedAt = scrapedAt }) =>
    respondedAt === null ? null : (clock.now() - respondedAt) / 1000,
  );
}

/** What the snapshots say about costs. There is a series for each endpoint and for each of the models that the status page shows. */
function learnedGauges(registry: Registry, watched: Watched): void {
  const perPod = (row: Row, value: (costs: ServerCosts) => number | undefined) =>
    endpointGauge(registry, watched, row, (pod) => value(watched.costsOf(pod)));
  perPod(METRICS.prefillRate, ({ prefillRate }) => prefillRate);
  perPod(METRICS.stepSeconds, ({ stepSeconds }) => stepSeconds);
  perPod(METRICS.sequenceSeconds, ({ sequenceSeconds }) => sequenceSeconds);
  perPod(METRICS.kvBlocks, ({ kvBlocks }) => kvBlocks);
  const perModel = (row: Row, set: (gauge: Gauge, model: string, tokenizer: Tokenizer) => void) =>
    new Gauge({
      ...optionsOf(row),
      registers: [registry],
      collect() {
        this.reset();
        for (const [model, tokenizer] of watched.tokenizers()) set(this, model, tokenizer);
      },
    });
  perModel(METRICS.tokensPerRequest, (gauge, model, { tokensPerRequest }) => gauge.set({ model }, tokensPerRequest));
  perModel(METRICS.tokensPerByte, (gauge, model, { tokensPerByte }) => {
    for (const [i, name] of BYTE_CLASS_NAMES.entries()) gauge.set({ model, bytes: name }, tokensPerByte[i] ?? 0);
  });
}

const BYTE_CLASS_NAMES = ["lower", "upper", "digit", "other", "high"];

export function createMetrics(watched: Watched, clock: Clock): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = (row: Row) => new Counter<string>({ ...optionsOf(row), registers });
  const gauge = (row: Row) => new Gauge<string>({ ...optionsOf(row), registers });
  perEndpoint(registry, watched, clock);
  learnedGauges(registry, watched);
  scrapeMetrics(registry, watched.pods, clock);
  poolGauges(registry, watched.pools);
  exportedGauge(registry, watched.exported);
  const tally = new Tally(BUCKETS);
  const failed = new Map<string, Map<Failure, number>>();
  new Counter<string>({
    ...optionsOf(METRICS.scrapes),
    registers,
    collect() {
      this.reset();
      for (const { endpoint, good } of tally.endpoints()) this.inc({ endpoint, result: "ok" }, good);
      for (const [endpoint, reasons] of failed)
        for (const [result, times] of reasons) this.inc({ endpoint, result }, times);
    },
  });
  const { name, help } = METRICS.scrapeDuration;
  registry.registerMetric(tally.histogram(name, help) as unknown as Histogram);
  new Gauge<string>({
    ...optionsOf(METRICS.scrapeLastDuration),
    registers,
    collect() {
      this.reset();
      for (const { endpoint, lastSeconds } of tally.endpoints()) this.set({ endpoint }, lastSeconds);
    },
  });
  const models = counter(METRICS.modelsErrors);
  const probes = counter(METRICS.probeErrors);
  const crowded = counter(METRICS.scrapesPutOff);
  const discovery = counter(METRICS.discoveryErrors);
  const pushes = counter(METRICS.pushes);
  const pushSeconds = new Histogram<string>({ ...optionsOf(METRICS.pushDuration), buckets: BUCKETS, registers });
  new Gauge<string>({
    ...optionsOf(METRICS.pushAge),
    registers,
    collect() {
      for (const { origin, acceptedAt } of watched.targets()) {
        if (acceptedAt !== null) this.set({ target: origin }, (clock.now() - acceptedAt) / 1000);
      }
    },
  });
  const snapshotBytes = gauge(METRICS.snapshotBytes);
  const endpoints = gauge(METRICS.snapshotEndpoints);
  const listed = gauge(METRICS.snapshotModels);
  const dropped = gauge(METRICS.snapshotDropped);
  const reloads = counter(METRICS.configReloads);
  for (const result of ["ok", "refused"]) reloads.inc({ result }, 0);

  const shared = counter(METRICS.readingsShared);
  for (const event of ["sent", "failed", "received", "refused"]) shared.inc({ event }, 0);

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
      // From a target's first push on, the counter has a series for each result, so that each has a rate.
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
    shared: (event, count) => shared.inc({ event }, count),
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
