// The lines that the simulation must show. Each line is checked in the cells to which it applies.
import type { Figure } from "../../../testkit/statistics.ts";
import { cellName, roleOf } from "./cells.ts";
import type { CellRuns } from "./table.ts";

/** The contender that is judged, and the same rule with true values. */
export interface Subjects {
  subject: string;
  bound: string;
}

const EPPS = ["epp-auto", "epp-ob"];
/** Rules that a gateway could have. The bounds (fixed homes, exact state) are none. */
const RIVALS = ["rr", "lr", "lr-all", "epp", ...EPPS, "llmd-ob", "dynamo"];
const KEEPERS = ["home", ...EPPS];

/** One line in one cell. */
export interface Reading {
  cell: string;
  met: boolean;
  text: string;
  /** How far the figure is beyond its limit; below 1 it is met. */
  excess: number;
}

export interface Verdict {
  line: string;
  readings: readonly Reading[];
}

type Check = (runs: CellRuns) => Reading | undefined;

/** `figure` at most `limit`, or at least with `least`. */
export function reading(runs: CellRuns, figure: Figure | undefined, limit: number, least = false): Reading | undefined {
  if (figure === undefined) return undefined;
  const met = least ? figure.median >= limit : figure.median <= limit;
  const spread = figure.low === figure.high ? "" : ` (${figure.low.toFixed(2)}–${figure.high.toFixed(2)})`;
  const excess = least ? limit / figure.median : figure.median / limit;
  return { cell: cellName(runs.cell), met, text: `${figure.median.toFixed(3)}${spread}`, excess };
}

/** Seconds after the overload from which on no window's p90 is above 1.1 times the p90 before; undefined: never. */
function backAfter(runs: CellRuns, contender: string, seed: number): number | undefined {
  const spans = runs.run(contender, seed)?.spans ?? [];
  const before = spans.find(({ name }) => name === "before")?.p90 ?? 0;
  const after = spans.filter(({ name }) => name.startsWith("after "));
  const bad = after.findLast(({ p90 }) => p90 > before * 1.1);
  const next = bad === undefined ? 0 : after.indexOf(bad) + 1;
  return next >= after.length ? undefined : Number(after[next]?.name.split(" ")[1]);
}

const NEVER = 1000;

/** The median over the seeds; of two the later. */
function returns(runs: CellRuns, contender: string): number | undefined {
  const times = runs.seedsOf(contender).map((seed) => backAfter(runs, contender, seed) ?? NEVER);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
}

const say = (seconds: number) => (seconds >= NEVER ? "not within 160 s" : `${seconds} s`);

function comesBack(runs: CellRuns, subject: string, limit: (runs: CellRuns) => number): Reading | undefined {
  const own = returns(runs, subject);
  if (own === undefined) return undefined;
  const others = KEEPERS.flatMap((name) => {
    const time = returns(runs, name);
    return time === undefined ? [] : [`${name} ${say(time)}`];
  });
  const most = limit(runs);
  const text = `${say(own)}; ${others.join(", ")}`;
  return { cell: cellName(runs.cell), met: own <= most, text, excess: (own + 1) / (most + 1) };
}

export function verdicts(all: readonly CellRuns[], { subject, bound }: Subjects): Verdict[] {
  const role = (runs: CellRuns) => roleOf(runs.cell);
  const steady = (runs: CellRuns) => role(runs) === "table" || role(runs) === "other";
  const checks: [line: string, applies: (runs: CellRuns) => boolean, check: Check][] = [
    [
      `p90 of ${subject} within 5 % of ${bound}`,
      steady,
      (runs) => reading(runs, runs.ratio(subject, [bound], "p90"), 1.05),
    ],
    [
      "table: p90 at most 0.85 of the better EPP",
      (runs) => role(runs) === "table",
      (runs) => reading(runs, runs.ratio(subject, EPPS, "p90"), 0.85),
    ],
    [
      "table: p90 at most 0.95 of Dynamo's",
      (runs) => role(runs) === "table",
      (runs) => reading(runs, runs.ratio(subject, ["dynamo"], "p90"), 0.95),
    ],
    [
      "other loads and presets: p90 at most 1.03 of the best contender",
      (runs) => role(runs) === "other",
      (runs) => reading(runs, runs.ratio(subject, RIVALS, "p90"), 1.03),
    ],
    [
      "no collapse: p99 at most three times the best contender's",
      steady,
      (runs) => reading(runs, runs.ratio(subject, RIVALS, "p99"), 3),
    ],
    [
      "no collapse from empty caches on: p99 of all requests at most three times the best contender's",
      steady,
      (runs) => reading(runs, runs.ratio(subject, RIVALS, "p99Cold"), 3),
    ],
    [
      "overload: output at least 0.98 of the better of fixed homes and EPP",
      (runs) => role(runs) === "overload",
      (runs) => reading(runs, runs.ratio(subject, KEEPERS, "outputPerSecond", true), 0.98, true),
    ],
    [
      "overload: hits at least 0.97 of the better of fixed homes and EPP",
      (runs) => role(runs) === "overload",
      (runs) => reading(runs, runs.ratio(subject, KEEPERS, "hitRate", true), 0.97, true),
    ],
    [
      "overload: p90 at most that of the better of fixed homes and EPP",
      (runs) => role(runs) === "overload",
      (runs) => reading(runs, runs.ratio(subject, KEEPERS, "p90"), 1),
    ],
    [
      "after a minute of 1.3 times the capacity: p90 within 1.1 of before in 20 s",
      (runs) => role(runs) === "return",
      (runs) => comesBack(runs, subject, () => 20),
    ],
    [
      "after a minute of 1.3 times the capacity: back as soon as the better of fixed homes and EPP",
      (runs) => role(runs) === "return",
      (runs) => comesBack(runs, subject, () => Math.min(...KEEPERS.map((name) => returns(runs, name) ?? NEVER))),
    ],
  ];
  return checks.flatMap(([line, applies, check]) => {
    const readings = all.filter(applies).flatMap((runs) => check(runs) ?? []);
    return readings.length === 0 ? [] : [{ line, readings }];
  });
}

/** One line of text for each verdict, with the worst cell. */
export function verdictLine({ line, readings }: Verdict): string {
  const missed = readings.filter(({ met }) => !met);
  const worst = readings.reduce((a, b) => (b.excess > a.excess ? b : a));
  const share = missed.length === 0 ? `MET in ${readings.length}` : `MISSED in ${missed.length} of ${readings.length}`;
  return `${share} cells: ${line}; worst: ${worst.text}, ${worst.cell}`;
}
