// Checks the claims about picks with the figures of a run. A claim needs its opponents: without them in the run it is not made.
import { short } from "../../testkit/statistics.ts";
import {
  contenderNamed,
  DYNAMO,
  EPP,
  EPP_OPTIMIZED,
  HELD,
  HOMES,
  isOwn,
  ONE_WORKER,
  TOKENS,
  TRUE,
  undisturbed,
} from "./contenders.ts";
import { type Measure, type Row, ratio } from "./figures.ts";
import type { RoutingLoad } from "./loads.ts";

export interface Claim {
  claim: string;
  load: string;
  contender: string;
  figures: string;
  holds: boolean;
}

/** The largest allowed share of a burst: a fair share plus a fifth. */
export function burstLimit(requests: number, pods: number): number {
  return (requests / pods) * 1.2;
}

const BURST = 200;
/** Loads of the simulation. On these loads the p90 of Pilotfish must be much lower than the p90 of the better endpoint picker. */
const MUCH_BETTER: readonly string[] = ["shared-80", "sessions", "mixed", "slow"];
const FIXED = "the better of fixed homes and EPP";
const PICKERS: readonly string[] = [EPP, EPP_OPTIMIZED];

const OVERLOAD: readonly string[] = ["overload-100", "overload-115", "overload-130"];
const RETURN = "overload-return";
/** Parts of `overload-return`: at the usual rate before the overload, and from 20 s after the overload on. */
const BEFORE = "before";
const AFTER = "after 20 s";

export function claimsOf(load: RoutingLoad, rows: readonly Row[]): Claim[] {
  const own = rows.filter(({ contender }) => isOwn(contender));
  // Fixed homes suit some loads by chance and no real gateway has them, so they are an opponent in overload only.
  const others = rows.filter(({ contender }) => !isOwn(contender) && contender !== HOMES);
  const pickers = others.filter(({ contender }) => PICKERS.includes(contender));
  const homes = rows.filter(({ contender }) => contender === HOMES);
  return own.flatMap((row) => {
    const rule = row.contender === TOKENS || row.contender === HELD;
    if (load.burstMs !== undefined) return [burst(load, row)];
    if (!rule) return spread(load, row, own);
    if (load.kind === RETURN) return recovery(load, row);
    if (OVERLOAD.includes(load.kind)) return overload(load, row, [...pickers, ...homes]);
    if (row.contender !== TOKENS) return [];
    const told = rows.filter(({ contender }) => contender === TRUE);
    return [
      ...usual(load, row, others, pickers),
      ...atMost(load, row, told, "p90", 1.05, "the same rule with the true costs"),
    ];
  });
}

/** `tokens` with many workers and Envoys beside one worker, and with restarts beside the same without. */
function spread(load: RoutingLoad, row: Row, own: readonly Row[]): Claim[] {
  const named = (name: string | undefined) => own.filter(({ contender }) => contender === name);
  const calm = undisturbed(row.contender);
  if (calm !== undefined) return atMost(load, row, named(calm), "p90", 1.15, "the same without restarts");
  const { shape } = contenderNamed(row.contender) ?? {};
  if (shape === undefined || row.contender === ONE_WORKER) return [];
  return atMost(load, row, named(ONE_WORKER), "p90", shape.envoys === 1 ? 1.1 : 1.15, "one worker");
}

function usual(load: RoutingLoad, row: Row, others: readonly Row[], pickers: readonly Row[]): Claim[] {
  const dynamo = others.filter(({ contender }) => contender === DYNAMO);
  if (MUCH_BETTER.includes(load.kind))
    return [
      ...atMost(load, row, pickers, "p90", 0.85, "the better EPP"),
      ...atMost(load, row, dynamo, "p90", 0.95, "Dynamo"),
      ...noCollapse(load, row, others),
    ];
  return [...atMost(load, row, others, "p90", 1.03, "the best contender"), ...noCollapse(load, row, others)];
}

function noCollapse(load: RoutingLoad, row: Row, others: readonly Row[]): Claim[] {
  return atMost(load, row, others, "p99", 3, "the best contender");
}

/** The best opponent is chosen for each measure anew. */
function overload(load: RoutingLoad, row: Row, opponents: readonly Row[]): Claim[] {
  return [
    ...atLeast(load, row, opponents, "outputPerSecond", 0.98),
    ...atLeast(load, row, opponents, "hitRate", 0.97),
    ...atMost(load, row, opponents, "p90", 1, FIXED),
  ];
}

function recovery(load: RoutingLoad, row: Row): Claim[] {
  const [before, after] = [row.spans[BEFORE], row.spans[AFTER]];
  if (!before || !after) return [];
  const to = after.median / before.median;
  const claim = "p90 20 s after the overload at most 1.1 of before";
  const figures = `${to.toFixed(2)}: ${short(before.median)} before, ${short(after.median)} after`;
  return [{ claim, load: load.name, contender: row.contender, figures, holds: to <= 1.1 }];
}

function burst(load: RoutingLoad, row: Row): Claim {
  const most = row.figures.mostOfBurst.high;
  const limit = burstLimit(BURST, load.pods);
  const claim = `no pod gets more than ${limit} of ${BURST} requests`;
  return { claim, load: load.name, contender: row.contender, figures: `${most} at most`, holds: most <= limit };
}

/** The measure is at most `limit` times the lowest of the opponents. */
function atMost(
  load: RoutingLoad,
  row: Row,
  opponents: readonly Row[],
  measure: Measure,
  limit: number,
  who: string,
): Claim[] {
  const [best] = [...opponents].sort((a, b) => a.figures[measure].median - b.figures[measure].median);
  return compared(load, row, best, measure, `${measure} at most ${limit} of ${who}`, (to) => to <= limit);
}

/** The measure is at least `limit` times the highest of the opponents. */
function atLeast(load: RoutingLoad, row: Row, opponents: readonly Row[], measure: Measure, limit: number): Claim[] {
  const [best] = [...opponents].sort((a, b) => b.figures[measure].median - a.figures[measure].median);
  return compared(load, row, best, measure, `${measure} at least ${limit} of ${FIXED}`, (to) => to >= limit);
}

function compared(
  load: RoutingLoad,
  row: Row,
  best: Row | undefined,
  measure: Measure,
  claim: string,
  holds: (ratio: number) => boolean,
): Claim[] {
  if (!best) return [];
  const { median, low, high } = ratio(row, best, measure);
  const value = best.figures[measure].median;
  const shown = measure === "hitRate" ? percent(value) : short(value);
  const figures = `${median.toFixed(2)} (${low.toFixed(2)}…${high.toFixed(2)}) of ${best.contender}'s ${shown}`;
  return [{ claim, load: load.name, contender: row.contender, figures, holds: holds(median) }];
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
