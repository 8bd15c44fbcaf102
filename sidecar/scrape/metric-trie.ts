// Metric names as a trie over bytes: a line is left at the first byte that no wanted name has, and a name matches
// whole or not at all ("vllm:num_requests_waiting_by_reason" begins like a wanted name and is another one).
import type { Engine, GaugeRow, Row, Signal } from "../engines/engine-rows.ts";

/** Metric names are ASCII: 128 ways out of a node. */
const WIDTH_BITS = 7;

export interface CompiledRow {
  row: Row;
  /** The labels that the row reads, as bytes, in the order that its reader knows. */
  labels: readonly Buffer[];
  /** Of a gauge with a condition: the wanted value of labels[0]. */
  wanted: Buffer | null;
  /** Of a gauge; "max" elsewhere. */
  combine: GaugeRow["combine"];
}

/** Which rows say what of one engine, most trusted first. */
export interface EngineRows {
  name: string;
  gauges: Readonly<Record<Signal, readonly number[]>>;
  labels: readonly number[];
  /** The text is this engine's when one of these has a sample. */
  telling: readonly number[];
  adapters: number | undefined;
}

export interface Matcher {
  /** trie[node << 7 | byte] is the next node; 0 is none, since nothing leads back to the root. */
  trie: Uint16Array;
  /** terminal[node] is 1 + the index into `groups` of the rows whose name ends at the node; 0 is none. */
  terminal: Uint16Array;
  groups: ReadonlyArray<readonly number[]>;
  rows: readonly CompiledRow[];
  /** In the order in which they are tried for being the text's. */
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

const TELLING: readonly Signal[] = ["waiting", "running", "kvUsage"];

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
  return { name, gauges, labels, telling: TELLING.flatMap((signal) => gauges[signal]), adapters };
}

/** Several engines together read a text of which it is not known whose it is; one pass does for all of them. */
export function compileMatcher(given: Engine | readonly Engine[]): Matcher {
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
  const trie = new Uint16Array(nodes.length << WIDTH_BITS);
  for (const [node, out] of nodes.entries()) {
    for (const [byte, next] of out) trie[(node << WIDTH_BITS) | byte] = next;
  }
  const terminal = new Uint16Array(nodes.length);
  const groups = [...ends].map(([node, ending], group) => {
    terminal[node] = group + 1;
    return ending;
  });
  return { trie, terminal, groups, rows, engines };
}
