// The metric names of the engines' tables, as a trie that looks only at bytes in which names differ (a PATRICIA trie, D. R.
// Morrison 1968). So most lines are refused after a few bytes, though many metrics begin with the same words. A line that
// reaches a leaf is compared with the leaf's whole name. Only a whole name matches: "vllm:num_requests_waiting_by_reason" begins
// with a known name, and does not match.
import {
  COUNTERS,
  type CounterName,
  type Engine,
  type GaugeRow,
  IDENTIFYING_SIGNALS,
  type Row,
  type Signal,
  wantedNames,
} from "../engines/engine-rows.ts";

/** Metric names are ASCII, so a node has 128 possible next bytes. */
const WIDTH_BITS = 7;

export interface CompiledRow {
  row: Row;
  /** The names of the labels that the row reads, in the order of its reader: where, numbers, or max-running-waiting. */
  labels: readonly Buffer[];
  /** The value that labels[0] must have; null: the row has no condition. */
  wanted: Buffer | null;
  /** How a gauge or a counter combines its samples. Other rows do not use the field. */
  combine: GaugeRow["combine"];
}

/** The rows of one engine by signal, as indexes into MetricTrie.rows. The first row with a sample counts. */
export interface EngineRows {
  name: string;
  gauges: Readonly<Record<Signal, readonly number[]>>;
  /** The counters that the engine has, with their rows. */
  counters: ReadonlyArray<readonly [CounterName, readonly number[]]>;
  labels: readonly number[];
  /** The text belongs to this engine if one of these rows has a sample. */
  identifying: readonly number[];
  /** If no engine has an identifying sample, the text belongs to this engine if one of these rows has a sample. */
  counting: readonly number[];
  adapters: number | undefined;
  /** The groups of the engine's metric names, each once. */
  groups: readonly number[];
}

export interface MetricTrie {
  /** offsets[node] is the position in a line of the byte that the node looks at. */
  offsets: Uint16Array;
  /**
   * next[node << 7 | byte] is where the byte leads: 0 nowhere; 2 * node to a node, which is never the root; 2 * group + 1 to a
   * leaf.
   */
  next: Uint16Array;
  /** The name of each group. */
  names: readonly Buffer[];
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
    case "counter": {
      const combine = row.kind === "gauge" ? row.combine : row.counter === "startedAt" ? "max" : "sum";
      return row.where === undefined
        ? { row, labels: [], wanted: null, combine }
        : { row, labels: bytes([row.where.label]), wanted: Buffer.from(row.where.value, "utf8"), combine };
    }
    case "labels":
      return { row, labels: bytes(Object.values(row.numbers)), wanted: null, combine: "max" };
    case "adapters":
      return { row, labels: bytes([row.max, row.running, row.waiting]), wanted: null, combine: "max" };
  }
}

function rowsOf({ name, rows }: Engine, first: number): Omit<EngineRows, "groups"> {
  const gauges: Record<Signal, number[]> = {
    waiting: [],
    running: [],
    kvUsage: [],
    awake: [],
    kvBlocks: [],
    blockTokens: [],
  };
  const counters = new Map<CounterName, number[]>();
  const labels: number[] = [];
  let adapters: number | undefined;
  for (const [i, row] of rows.entries()) {
    if (row.kind === "gauge") gauges[row.signal].push(first + i);
    else if (row.kind === "counter") counters.set(row.counter, [...(counters.get(row.counter) ?? []), first + i]);
    else if (row.kind === "labels") labels.push(first + i);
    else adapters = first + i;
  }
  const identifying = IDENTIFYING_SIGNALS.flatMap((signal) => gauges[signal]);
  // Programs of all kinds have a start time.
  const counting = COUNTERS.flatMap((counter) => (counter === "startedAt" ? [] : (counters.get(counter) ?? [])));
  return { name, gauges, counters: [...counters], labels, identifying, counting, adapters };
}

/** The bytes that may follow a name: blanks, and the brace before the labels. */
const AFTER_NAME = [0x20, 0x09, 0x7b];

interface Node {
  offset: number;
  edges: Array<[byte: number, target: number]>;
}

/**
 * Adds the nodes that tell the names of `groups` apart, which are equal up to `from`. Returns the edge that leads to them, in the
 * form of MetricTrie.next.
 */
function addNodes(nodes: Node[], names: readonly Buffer[], groups: readonly number[], from: number): number {
  const [first] = groups as [number];
  if (groups.length === 1) return 2 * first + 1;
  const byteAt = (group: number, at: number) => names[group]?.[at] ?? -1;
  let offset = from;
  while (groups.every((group) => byteAt(group, offset) === byteAt(first, offset))) offset++;
  const node: Node = { offset, edges: [] };
  const index = nodes.push(node) - 1;
  for (const byte of new Set(groups.map((group) => byteAt(group, offset)))) {
    const those = groups.filter((group) => byteAt(group, offset) === byte);
    const target = addNodes(nodes, names, those, offset + 1);
    for (const each of byte < 0 ? AFTER_NAME : [byte]) node.edges.push([each, target]);
  }
  return 2 * index;
}

/** Makes one trie for all given engines, so that a text of an unknown engine is read in one pass. */
export function compileTrie(given: Engine | readonly Engine[]): MetricTrie {
  const all = Array.isArray(given) ? (given as readonly Engine[]) : [given as Engine];
  const byName = new Map<string, number[]>();
  const rows: CompiledRow[] = [];
  const engines: Array<Omit<EngineRows, "groups">> = [];
  for (const engine of all) {
    engines.push(rowsOf(engine, rows.length));
    for (const row of engine.rows) {
      const { metric } = row;
      if (metric === "" || Buffer.from(metric).some((byte) => byte >= 1 << WIDTH_BITS))
        throw new RangeError(`${engine.name}: metric "${metric}": expected ASCII`);
      byName.set(metric, [...(byName.get(metric) ?? []), rows.push(compileRow(row)) - 1]);
    }
  }
  const names = [...byName.keys()].map((name) => Buffer.from(name, "latin1"));
  // The root looks at the first byte, so that it is a node even if there is one name only.
  const nodes: Node[] = [{ offset: 0, edges: [] }];
  for (const byte of new Set(names.map((name) => name[0] as number))) {
    const those = names.flatMap((name, group) => (name[0] === byte ? [group] : []));
    const target = addNodes(nodes, names, those, 1);
    nodes[0]?.edges.push([byte, target]);
  }
  if (Math.max(nodes.length, names.length) >= 0x7fff)
    throw new RangeError(`${names.length} metric names, expected fewer than 32767`);
  const next = new Uint16Array(nodes.length << WIDTH_BITS);
  for (const [node, { edges }] of nodes.entries())
    for (const [byte, target] of edges) next[(node << WIDTH_BITS) | byte] = target;
  const offsets = Uint16Array.from(nodes, ({ offset }) => offset);
  const groupOf = new Map([...byName.keys()].map((name, group) => [name, group]));
  const groupsOf = (engine: Engine) => wantedNames(engine).map((name) => groupOf.get(name) as number);
  return {
    offsets,
    next,
    names,
    groups: [...byName.values()],
    rows,
    engines: engines.map((each, i) => ({ ...each, groups: groupsOf(all[i] as Engine) })),
  };
}
