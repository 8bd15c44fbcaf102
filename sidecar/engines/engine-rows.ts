// The types of the tables that turn a model server's metrics into signals. scrape/metrics-parser.ts reads the tables. Each
// server has its table in a file in this folder. tests/sidecar/scrape/engines.test.ts names every step of adding a server.

/** A number that the sidecar reads from a server's metrics. `awake` is 1 while the engine serves, 0 while it sleeps. */
export type Signal = "waiting" | "running" | "kvUsage" | "awake" | "kvBlocks" | "blockTokens";

/** A text belongs to an engine if it has a sample of one of these signals under that engine's metric names. */
export const IDENTIFYING_SIGNALS: readonly Signal[] = ["waiting", "running", "kvUsage"];

/** A metric whose samples are combined into one number. */
export interface GaugeRow {
  kind: "gauge";
  metric: string;
  signal: Signal;
  /** How the samples of one scrape become one number, since a data-parallel server has a sample for each rank. */
  combine: "sum" | "mean" | "max" | "min";
  /** Only samples with this label value count. */
  where?: { label: string; value: string };
}

/** An info metric whose labels have numbers as values. Of several samples, the largest number counts. */
interface LabelsRow {
  kind: "labels";
  metric: string;
  /** Signal -> the label that has its number. */
  numbers: Partial<Record<"kvBlocks" | "blockTokens", string>>;
}

/** An info metric whose labels list adapters, separated by commas. Its value is a time: the newest sample counts. */
interface AdaptersRow {
  kind: "adapters";
  metric: string;
  /** The labels with the maximum of adapters at once, the running adapters, and the waiting adapters. */
  max: string;
  running: string;
  waiting: string;
}

export type Row = GaugeRow | LabelsRow | AdaptersRow;

export interface Engine {
  name: string;
  /** When several rows have the same signal, the first row that has a sample counts. */
  rows: readonly Row[];
  /** Port and path of the server's metrics, if they are not at `scrape.path` on the pod's own port. */
  metrics?: { port?: number; path?: string };
  /** On this path the server responds 200 while it can serve. */
  health: string;
}
