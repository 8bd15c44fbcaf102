// The load of one server by one scrape of its metrics. The tables of this folder say what each metric means.

import type { CounterName } from "./engine-rows.ts";

/** The counters that a server has. engine-rows.ts says what each means. */
export type Counters = Partial<Record<CounterName, number>>;

/** The values of one scrape of a server. null: the server does not report the value. */
export interface Reading {
  /** The engine whose metric names the text has; null: the text has no known names. */
  engine: string | null;
  waiting: number | null;
  running: number | null;
  kvUsage: number | null;
  asleep: boolean;
  kvBlocks: number | null;
  blockTokens: number | null;
  /** Memory for KV blocks outside the GPU, GiB; null: none. */
  offloadGiB: number | null;
  /** Memory for KV blocks on a GPU, bytes. */
  cacheBytes: number | null;
  counters: Counters;
  adapters: AdapterReading | null;
  /** How many samples of the table's metrics were read. */
  samples: number;
  /** How many samples of the table's metrics break the grammar. */
  malformed: number;
}

export interface AdapterReading {
  max: number;
  running: string[];
  waiting: string[];
}

/** Whether two readings give the same values in a snapshot. Counters, `samples` and `malformed` are not part of a snapshot. */
export function sameReading(a: Reading | null, b: Reading | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.waiting === b.waiting &&
    a.running === b.running &&
    a.kvUsage === b.kvUsage &&
    a.asleep === b.asleep &&
    a.kvBlocks === b.kvBlocks &&
    a.blockTokens === b.blockTokens &&
    a.offloadGiB === b.offloadGiB &&
    a.cacheBytes === b.cacheBytes &&
    a.engine === b.engine &&
    sameAdapters(a.adapters, b.adapters)
  );
}

/** Whether two readings have the same adapters with requests. */
export function sameAdapters(a: AdapterReading | null, b: AdapterReading | null): boolean {
  if (a === null || b === null) return a === b;
  return a.max === b.max && sameNames(a.running, b.running) && sameNames(a.waiting, b.waiting);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
