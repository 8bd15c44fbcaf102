// How the metrics of a model server become signals: a table, read by scrape/parse.ts. One file per server beside this.

/** A number that the samples of one metric add up to. */
export interface GaugeRow {
  kind: "gauge";
  metric: string;
  signal: "waiting" | "running" | "kvUsage" | "awake";
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
}

/** What one scrape said; null where it did not. */
export interface Reading {
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
