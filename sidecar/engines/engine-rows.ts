// The types of the tables that turn a model server's metrics into signals. scrape/metrics-parser.ts reads the tables. Each
// server has its table in a file in this folder. tests/sidecar/scrape/engines.test.ts names every step of adding a server.

/** A number that the sidecar reads from a server's metrics. `awake` is 1 while the engine serves, 0 while it sleeps. */
export type Signal = "waiting" | "running" | "kvUsage" | "awake" | "kvBlocks" | "blockTokens";

/**
 * A number that only rises while a server runs. The learner (learn/) takes the differences of two scrapes. Servers raise the
 * counters at different moments, and each engine's table says which metric has the meaning:
 *
 *   promptTokens     prompt tokens of requests, cached tokens included
 *   promptRequests   requests whose tokens promptTokens contains; both rise at the same moment
 *   cachedTokens     prompt tokens that came from a cache; rises with promptTokens
 *   hitTokens, externalHitTokens   the same by cache, counted when a request is scheduled; used where cachedTokens is missing
 *   steps            engine steps that generated a token
 *   generatedTokens  generated tokens
 *   interTokens, interTokenSeconds   gaps between the tokens of a response, and their duration
 *   prefillTokens, prefillSeconds    tokens that were computed for prompts, and the duration
 *   prefillRequests  requests that prefillTokens and prefillSeconds contain; missing where these count the engine's own time
 *   startedAt        when the server started, seconds since the Unix epoch
 */
export const COUNTERS = [
  "promptTokens",
  "promptRequests",
  "cachedTokens",
  "hitTokens",
  "externalHitTokens",
  "steps",
  "generatedTokens",
  "interTokens",
  "interTokenSeconds",
  "prefillTokens",
  "prefillSeconds",
  "prefillRequests",
  "startedAt",
] as const;
export type CounterName = (typeof COUNTERS)[number];

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

/** A counter. Its samples add up: data-parallel ranks count apart. Of `startedAt` the latest time counts. */
export interface CounterRow {
  kind: "counter";
  metric: string;
  counter: CounterName;
  /** Only samples with this label value count. */
  where?: { label: string; value: string };
}

/** What the labels of an info metric tell. offloadGiB and cacheBytes: memory for KV blocks beside the GPU, and on each GPU. */
export type LabelNumber = "kvBlocks" | "blockTokens" | "offloadGiB" | "cacheBytes";

/** An info metric whose labels have numbers as values. Of several samples, the largest number counts. */
interface LabelsRow {
  kind: "labels";
  metric: string;
  /** Signal -> the label that has its number. */
  numbers: Partial<Record<LabelNumber, string>>;
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

export type Row = GaugeRow | CounterRow | LabelsRow | AdaptersRow;

export interface Engine {
  name: string;
  /** When several rows have the same signal, the first row that has a sample counts. */
  rows: readonly Row[];
  /** Port and path of the server's metrics, if they are not at `scrape.path` on the pod's own port. */
  metrics?: { port?: number; path?: string };
  /** On this path the server responds 200 while it can serve. */
  health: string;
}

/** Returns the sample names that the engine's rows read, each once, in the order of the rows. */
export function wantedNames({ rows }: Engine): string[] {
  return [...new Set(rows.map(({ metric }) => metric))];
}
