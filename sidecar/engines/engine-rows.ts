// How the metrics of a model server become signals: a table, read by scrape/parse.ts. One file per server beside this.

/** What a sample may say. `awake` is 1, or 0 where the engine sleeps. */
export type Signal = "waiting" | "running" | "kvUsage" | "awake" | "kvBlocks" | "blockTokens";

/** A number that the samples of one metric add up to. */
export interface GaugeRow {
  kind: "gauge";
  metric: string;
  signal: Signal;
  /** How the samples of one scrape become one number; a data-parallel server has a sample for each engine. */
  combine: "sum" | "mean" | "max" | "min";
  /** Only samples with this label value count. */
  where?: { label: string; value: string };
}

/** An info metric that says numbers in its labels; of several samples the largest number counts. */
export interface LabelsRow {
  kind: "labels";
  metric: string;
  numbers: Partial<Record<"kvBlocks" | "blockTokens", string>>;
}

/** An info metric that lists adapters in its labels, separated by commas; its value is a time: the newest counts. */
export interface AdaptersRow {
  kind: "adapters";
  metric: string;
  max: string;
  running: string;
  waiting: string;
}

export type Row = GaugeRow | LabelsRow | AdaptersRow;

export interface Engine {
  name: string;
  /** Where several rows say the same signal, the first one that has a sample is believed. */
  rows: readonly Row[];
  /** Where it tells its metrics, when that is not `scrape.path` on the pod's own port. */
  metrics?: { port?: number; path?: string };
  /** Answers 200 while the server can serve. */
  health: string;
}

/** What one scrape said; null where it did not. */
export interface Reading {
  /** The engine whose names the text had; null where it had none that is known. */
  engine: string | null;
  waiting: number | null;
  running: number | null;
  kvUsage: number | null;
  asleep: boolean;
  kvBlocks: number | null;
  blockTokens: number | null;
  adapters: AdapterReading | null;
  /** Samples of the table's metrics that were read, and those that could not be. */
  samples: number;
  malformed: number;
}

export interface AdapterReading {
  max: number;
  running: string[];
  waiting: string[];
}

/** Whether two readings say the same of a pod: what `samples` and `malformed` count is nothing that a snapshot tells. */
export function sameReading(a: Reading | null, b: Reading | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.waiting === b.waiting &&
    a.running === b.running &&
    a.kvUsage === b.kvUsage &&
    a.asleep === b.asleep &&
    a.kvBlocks === b.kvBlocks &&
    a.blockTokens === b.blockTokens &&
    a.engine === b.engine &&
    sameAdapters(a.adapters, b.adapters)
  );
}

function sameAdapters(a: AdapterReading | null, b: AdapterReading | null): boolean {
  if (a === null || b === null) return a === b;
  return a.max === b.max && sameNames(a.running, b.running) && sameNames(a.waiting, b.waiting);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
