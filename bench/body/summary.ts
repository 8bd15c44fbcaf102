// Turns raw series into the figures of the tables, and checks the claims.

import { added, addedTail, type Figure, figure, quantile } from "../../testkit/statistics.ts";
import type { BodyKind } from "./bodies.ts";
import { BASELINE } from "./contenders.ts";
import type { Plan, Series } from "./measure.ts";
import type { MemoryRow } from "./memory.ts";

export interface Row {
  contender: string;
  requests: number;
  cpuUs: Figure;
  otherCpuUs: Figure;
  p50Us: Figure;
  p99Us: Figure;
  /** Additional cost compared with the baseline in the same repetition. The baseline itself has no value. */
  addedCpuUs?: Figure;
  addedP50Us?: Figure;
  addedP99Us?: Figure;
}

export interface Cell extends BodyKind {
  regime: Plan["regime"];
  rows: Row[];
  /** Additional CPU of reader and holder compared with the single filter, repetition by repetition. */
  rolesUs?: Figure;
}

export function summarize(kind: BodyKind, plan: Plan, all: readonly Series[]): Cell {
  const baseline = all.find((series) => series.contender === BASELINE);
  const rows = all.map((series) => {
    const row: Row = {
      contender: series.contender,
      requests: plan.repetitions * (plan.cpuRequests || plan.latencyRequests),
      cpuUs: figure(series.cpuUs),
      otherCpuUs: figure(series.otherCpuUs),
      p50Us: figure(quantiles(series, 0.5)),
      p99Us: figure(quantiles(series, 0.99)),
    };
    if (baseline && series !== baseline) {
      row.addedCpuUs = added(series.cpuUs, baseline.cpuUs);
      row.addedP50Us = added(quantiles(series, 0.5), quantiles(baseline, 0.5));
      row.addedP99Us = addedTail(quantiles(series, 0.99), quantiles(baseline, 0.99));
    }
    return row;
  });
  const cell: Cell = { ...kind, regime: plan.regime, rows };
  const [single, roles] = ["pilotfish", "pilotfish-stock"].map((name) => all.find((one) => one.contender === name));
  if (single && roles) cell.rolesUs = added(roles.cpuUs, single.cpuUs);
  return cell;
}

function quantiles(series: Series, q: number): number[] {
  return series.latenciesUs.map((latencies) => quantile(latencies, q));
}

export interface Claim {
  claim: string;
  where: string;
  figures: string;
  holds: boolean;
}

const KIB = 1024;
const PROMPTS = new Set(["ascii", "chinese", "code"]);
/** The additional CPU of reader and holder compared with the single filter, at 8 KiB. */
const MAX_ROLES_US = 12;
const MEMORY_LIMIT_BYTES = 4 * KIB * KIB;

/** Checks every claim for which this run has figures. */
export function checkClaims(cells: readonly Cell[], memory: readonly MemoryRow[]): Claim[] {
  const claims: Claim[] = [];
  for (const cell of cells) {
    const where = `${cell.text}, model ${cell.position}, ${cell.bytes} bytes, ${cell.regime}`;
    const median = (name: string, key: "addedCpuUs" | "addedP50Us") =>
      cell.rows.find((row) => row.contender === name)?.[key]?.median;
    const claim = (text: string, key: "addedCpuUs" | "addedP50Us", peer: string, share: number) => {
      const own = median("pilotfish", key);
      const theirs = median(peer, key);
      if (own === undefined || theirs === undefined) return;
      const figures = `${own.toFixed(1)} µs against ${theirs.toFixed(1)} µs`;
      claims.push({ claim: text, where, figures, holds: own <= theirs * share });
    };
    if (cell.bytes === 8 * KIB && cell.rolesUs) {
      const { median: more, low, high } = cell.rolesUs;
      const figures = `${more.toFixed(1)} µs (${low.toFixed(0)}…${high.toFixed(0)})`;
      const text = `reader and holder cost at most ${MAX_ROLES_US} µs of CPU more than one filter`;
      claims.push({ claim: text, where, figures, holds: more <= MAX_ROLES_US });
    }
    if (PROMPTS.has(cell.text) && cell.bytes >= KIB && cell.bytes <= KIB * KIB) {
      if (cell.position === "first") claim("added CPU no more than the Lua pattern's", "addedCpuUs", "lua-pattern", 1);
      else if (cell.bytes >= 128 * KIB)
        claim("added CPU at most a tenth of the Lua pattern's", "addedCpuUs", "lua-pattern", 0.1);
    }
    if (cell.text === "ascii" && (cell.bytes === 512 || cell.bytes === 220 * KIB))
      claim("added p50 at most a tenth of BBR's", "addedP50Us", "bbr", 0.1);
  }
  for (const row of memory) {
    const largest = row.wasmBytes[0];
    if (largest === undefined) continue;
    const where = `${row.bodies} concurrent bodies of ${row.bodyBytes} bytes`;
    const figures = `${(largest / 2 ** 20).toFixed(2)} MiB`;
    const holds = largest <= MEMORY_LIMIT_BYTES && row.answers[200] === row.bodies;
    claims.push({ claim: "Wasm linear memory of a worker at most 4 MiB", where, figures, holds });
  }
  return claims;
}
