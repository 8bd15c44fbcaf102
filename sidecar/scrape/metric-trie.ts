// The metric names of the engines' tables, as a trie over bytes. The parser skips the rest of a line at the first byte that
// no name has. Only a whole name matches: "vllm:num_requests_waiting_by_reason" begins with a known name, and does not match.
import { type Engine, type GaugeRow, IDENTIFYING_SIGNALS, type Row, type Signal } from "../engines/engine-rows.ts";

/** Metric names are ASCII, so a node has 128 possible next bytes. */
const WIDTH_BITS = 7;

export interface CompiledRow {
  row: Row;
  /** The names of the labels that the row reads, in the order of its reader: where, numbers, or max-running-waiting. */
  labels: readonly Buffer[];
  /** The value that labels[0] must have; null: the row has no condition. */
  wanted: Buffer | null;
  /** How a gauge combines its samples. Only gauges use the field. */
  combine: GaugeRow["combine"];
}

/** The rows of one engine by signal, as indexes into MetricTrie.rows. The first row with a sample counts. */
export interface EngineRows {
  name: string;
  gauges: Readonly<Record<Signal, readonly number[]>>;
  labels: readonly number[];
  /** The text belongs to this engine if one of these rows has a sample. */
  identifying: readonly number[];
  adapters: number | undefined;
}

export interface MetricTrie {
  /** next[node << 7 | byte] is the next node; 0 is none, since no edge leads back to the root. */
  next: Uint16Array;
  /** terminal[node] is 1 + the index in `groups` of the rows whose name ends at the node; 0: no name ends there. */
  terminal: Uint16Array;
  /** Each group has the rows of one metric name, as indexes into `rows`. */
  groups: ReadonlyArray<readonly number[]>;
  rows: readonly CompiledRow[];
  /** The engines in the order in which the parser tries them when it recognises the engine of a text. */
  engines: readonly EngineRows[];
}

function compileRow(row: Row): CompiledRow {
  const bytes = (names: string[]) => names.map((name) => Buffer.from(name, "utf8"));
  switch (row.kind) {
    case "gauge":
      return row.where === undefined
        ? { row, labels: [], wanted: null, combine: row.combine }
        : {
            row,
            labels: bytes([row.where.label]),
            wanted: Buffer.from(row.where.value, "utf8"),
            combine: row.combine,
          };
    case "labels":
      return { row, labels: bytes(Object.values(row.numbers)), wanted: null, combine: "max" };
    case "adapters":
      return { row, labels: bytes([row.max, row.running, row.waiting]), wanted: null, combine: "max" };
  }
}

function rowsOf({ name, rows }: Engine, first: number): EngineRows {
  const gauges: Record<Signal, number[]> = {
    waiting: [],
    running: [],
    kvUsage: [],
    awake: [],
    kvBlocks: [],
    blockTokens: [],
  };
  const labels: number[] = [];
  let adapters: number | undefined;
  for (const [i, row] of rows.entries()) {
    if (row.kind === "gauge") gauges[row.signal].push(first + i);
    else if (row.kind === "labels") labels.push(first + i);
    else adapters = first + i;
  }
  return { name, gauges, labels, identifying: IDENTIFYING_SIGNALS.flatMap((signal) => gauges[signal]), adapters };
}

/** Makes one trie for all given engines, so that a text of an unknown engine is read in one pass. */
export function compileTrie(given: Engine | readonly Engine[]): MetricTrie {
  const all = Array.isArray(given) ? (given as readonly Engine[]) : [given as Engine];
  const nodes: Array<Map<number, number>> = [new Map()];
  const ends = new Map<number, number[]>();
  const rows: CompiledRow[] = [];
  const engines: EngineRows[] = [];
  for (const engine of all) {
    engines.push(rowsOf(engine, rows.length));
    for (const row of engine.rows) {
      let node = 0;
      for (const byte of Buffer.from(row.metric, "latin1")) {
        if (byte >= 1 << WIDTH_BITS) throw new RangeError(`${engine.name}: metric ${row.metric}: expected ASCII`);
        let next = nodes[node]?.get(byte);
        if (next === undefined) {
          next = nodes.push(new Map()) - 1;
          nodes[node]?.set(byte, next);
        }
        node = next;
      }
      ends.set(node, [...(ends.get(node) ?? []), rows.length]);
      rows.push(compileRow(row));
    }
  }
  if (nodes.length > 0x10000) throw new RangeError(`${nodes.length} bytes of metric names, expected at most 65535`);
  const edges = new Uint16Array(nodes.length << WIDTH_BITS);
  for (const [node, out] of nodes.entries()) {
    for (const [byte, next] of out) edges[(node << WIDTH_BITS) | byte] = next;
  }
  const terminal = new Uint16Array(nodes.length);
  const groups = [...ends].map(([node, ending], group) => {
    terminal[node] = group + 1;
    return ending;
  });
  return { next: edges, terminal, groups, rows, engines };
}
