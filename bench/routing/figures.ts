// Turns observations into figures of one repetition and of all repetitions.
import { type Figure, figure, quantile } from "../../testkit/statistics.ts";
import type { Seen } from "./lane.ts";
import type { RoutingLoad } from "./loads.ts";
import { isDisturbed } from "./machine-watch.ts";
import type { Sent } from "./sending.ts";

/** Times to first token in ms. A request that was cut off counts with the time that it had waited. */
interface Repetition {
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  outputPerSecond: number;
  /** Share of prompt tokens that were in the pods' caches, 0 to 1. */
  hitRate: number;
  deepestQueue: number;
  /** Share of the time after the warm-up for which scrapes occupied the API server process of a pod, 0 to 1. */
  scrapeShare: number;
  refused: number;
  cut: number;
  /** Requests that the client sent again because their connection broke. */
  again: number;
  /** Responses that broke off after their first token. */
  broken: number;
  /** The largest number of requests that one pod got of one burst; 0 without bursts. */
  mostOfBurst: number;
  /** The p99 of the delay with which the client sent requests, in ms. */
  late: number;
  /** Busy share of the whole machine, 0 to 1. */
  busy: number;
  /** Cores that other programs used. */
  foreign: number;
}

export type Measure = keyof Repetition;

const MEASURES = [
  "mean",
  "p50",
  "p90",
  "p99",
  "outputPerSecond",
  "hitRate",
  "deepestQueue",
  "scrapeShare",
  "refused",
  "cut",
  "again",
  "broken",
  "mostOfBurst",
  "late",
  "busy",
  "foreign",
] as const satisfies readonly Measure[];

export interface Row {
  contender: string;
  repetitions: Repetition[];
  figures: Record<Measure, Figure>;
  /** Used cores by part. */
  cores: Record<string, Figure>;
  /** The p90 of the time to first token in ms, by part of the load. */
  spans: Record<string, Figure>;
  /** For each restart of an Envoy, in all repetitions, ms until it was ready again. */
  awayMs: readonly number[];
}

export function repetitionOf(seen: Seen, load: RoutingLoad): Repetition {
  const measured = seen.sent.filter(({ at }) => at >= seen.warmMs);
  const answered = measured.filter(({ status, cut }) => status === 200 || cut);
  if (answered.length === 0) throw new Error(`${load.name}, ${seen.contender}: no request was answered`);
  const waits = answered.map(({ wait }) => wait);
  const [warm, last, end] = seen.counts;
  return {
    mean: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
    p50: quantile(waits, 0.5),
    p90: quantile(waits, 0.9),
    p99: quantile(waits, 0.99),
    outputPerSecond: ((last.generatedTokens - warm.generatedTokens) / (seen.lastMs - seen.warmMs)) * 1000,
    hitRate: (end.prefixHits - warm.prefixHits) / Math.max(1, end.prefixQueries - warm.prefixQueries),
    deepestQueue: Math.max(last.deepestQueue, end.deepestQueue),
    scrapeShare: (last.scrapeMs - warm.scrapeMs) / (seen.lastMs - seen.warmMs),
    refused: measured.length - answered.length,
    cut: answered.filter(({ cut }) => cut).length,
    again: measured.filter(({ again }) => again > 0).length,
    broken: measured.filter(({ broken }) => broken).length,
    mostOfBurst: load.burstMs === undefined ? 0 : mostOfBurst(seen.sent, load.burstMs, load.pods),
    late: quantile(
      measured.map(({ late }) => late),
      0.99,
    ),
    ...seen.machine,
  };
}

/** Repetitions in which the machine was too busy to trust the figures. */
export function disturbed({ repetitions }: Row): number {
  return repetitions.filter(isDisturbed).length;
}

export function mostOfBurst(sent: readonly Sent[], burstMs: number, pods: number): number {
  const counts = new Map<number, number>();
  for (const { at, pod } of sent) {
    if (pod < 0) continue;
    const key = Math.floor(at / burstMs) * pods + pod;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

export function rowOf(contender: string, all: readonly Seen[], load: RoutingLoad): Row {
  const repetitions = all.map((seen) => repetitionOf(seen, load));
  const figures = Object.fromEntries(
    MEASURES.map((name) => [name, figure(repetitions.map((one) => one[name]))]),
  ) as Row["figures"];
  const parts = Object.keys(all[0]?.cores ?? {});
  const cores = Object.fromEntries(parts.map((part) => [part, figure(all.map((seen) => seen.cores[part] ?? 0))]));
  const names = all[0]?.spans.map(({ name }) => name) ?? [];
  const spans = Object.fromEntries(names.map((name) => [name, figure(all.map((seen) => p90Within(seen, name)))]));
  return { contender, repetitions, figures, cores, spans, awayMs: all.flatMap(({ awayMs }) => awayMs) };
}

/** Of the requests that were due in this part of the load; NaN, shown as a dash, without any. */
function p90Within({ sent, spans }: Seen, wanted: string): number {
  const span = spans.find(({ name }) => name === wanted);
  const waits = sent.flatMap(({ at, wait, status, cut }) => {
    return span && at >= span.from && at < span.to && (status === 200 || cut) ? [wait] : [];
  });
  return waits.length === 0 ? Number.NaN : quantile(waits, 0.9);
}

/** The ratio of `row` to `other` in each repetition, in which both had the same requests. */
export function ratio(row: Row, other: Row, measure: Measure): Figure {
  return figure(row.repetitions.map((one, i) => one[measure] / (other.repetitions[i]?.[measure] ?? Number.NaN)));
}
