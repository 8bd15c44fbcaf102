// Metric names as a trie over bytes: a line is left at the first byte that no wanted name has, and a name matches
// whole or not at all ("vllm:num_requests_waiting_by_reason" begins like a wanted name and is another one).
import type { Engine, Row } from "../engines/engine.ts";

/** Metric names are ASCII: 128 ways out of a node. */
const WIDTH_BITS = 7;

export interface CompiledRow {
  row: Row;
  /** The labels that the row reads, as bytes, in the order that its reader knows. */
  labels: readonly Buffer[];
  /** Of a gauge with a condition: the wanted value of labels[0]. */
  wanted: Buffer | null;
}

export interface Matcher {
  /** trie[node << 7 | byte] is the next node; 0 is none, since nothing leads back to the root. */
  trie: Uint16Array;
  /** terminal[node] is 1 + the index into `groups` of the rows whose name ends at the node; 0 is none. */
  terminal: Uint16Array;
  groups: ReadonlyArray<readonly number[]>;
  rows: readonly CompiledRow[];
}

function compileRow(row: Row): CompiledRow {
  const bytes = (names: string[]) => names.map((name) => Buffer.from(name, "utf8"));
  switch (row.kind) {
    case "gauge":
      return row.where === undefined
        ? { row, labels: [], wanted: null }
        : { row, labels: bytes([row.where.label]), wanted: Buffer.from(row.where.value, "utf8") };
    case "labels":
      return { row, labels: bytes(Object.values(row.numbers)), wanted: null };
    case "adapters":
      return { row, labels: bytes([row.max, row.running, row.waiting]), wanted: null };
  }
}

export function compileMatcher(engine: Engine): Matcher {
  const nodes: Array<Map<number, number>> = [new Map()];
  const ends = new Map<number, number[]>();
  for (const [i, { metric }] of engine.rows.entries()) {
    let node = 0;
    for (const byte of Buffer.from(metric, "latin1")) {
      if (byte >= 1 << WIDTH_BITS) throw new RangeError(`${engine.name}: metric ${metric}: expected ASCII`);
      let next = nodes[node]?.get(byte);
      if (next === undefined) {
        next = nodes.push(new Map()) - 1;
        nodes[node]?.set(byte, next);
      }
      node = next;
    }
    ends.set(node, [...(ends.get(node) ?? []), i]);
  }
  const trie = new Uint16Array(nodes.length << WIDTH_BITS);
  for (const [node, out] of nodes.entries()) {
    for (const [byte, next] of out) trie[(node << WIDTH_BITS) | byte] = next;
  }
  const terminal = new Uint16Array(nodes.length);
  const groups = [...ends].map(([node, rows], group) => {
    terminal[node] = group + 1;
    return rows;
  });
  return { trie, terminal, groups, rows: engine.rows.map(compileRow) };
}
