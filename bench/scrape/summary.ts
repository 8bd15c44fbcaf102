// Summarises the windows of a run, and judges what Pilotfish must show.
import { added, addedTail, type Figure, figure } from "../../testkit/statistics.ts";
import { CONTENDERS, type ContenderName, LOADS, type LoadName } from "./contenders.ts";
import type { Window } from "./measure.ts";

/** The figures of one contender under one load. `none` of the same repetition is the baseline of what is added. */
export interface Row {
  contender: ContenderName;
  wholePerSecond: Figure;
  restrictedPerSecond: Figure;
  kilobytesPerSecond: Figure;
  /** Percent of a core. */
  server: Figure;
  addedCpu: Figure | null;
  scrapers: Figure;
  /** Ms; null without streams. */
  p50: Figure | null;
  p99: Figure | null;
  addedP99: Figure | null;
  sentP99: Figure | null;
}

export interface Table {
  load: LoadName;
  gateways: number;
  rows: Row[];
}

/** `windows`: in order of repetitions, each contender once in a repetition. */
export function tablesOf(windows: readonly Window[]): Table[] {
  const sizes = [...new Set(windows.map(({ gateways }) => gateways))];
  return LOADS.flatMap((load) =>
    sizes.flatMap((gateways) => {
      const here = windows.filter((one) => one.load === load && one.gateways === gateways);
      const of = (contender: ContenderName) => here.filter((one) => one.contender === contender);
      const rows = CONTENDERS.flatMap((name) => (of(name).length === 0 ? [] : [rowOf(name, of(name), of("none"))]));
      return rows.length === 0 ? [] : [{ load, gateways, rows }];
    }),
  );
}

function rowOf(contender: ContenderName, windows: readonly Window[], baseline: readonly Window[]): Row {
  const figureOf = (of: (one: Window) => number) => figure(windows.map(of));
  const percent = (all: readonly Window[]) => all.map(({ server }) => server * 100);
  const tail = (all: readonly Window[], of: "arrived" | "sent") => all.flatMap((one) => one[of]?.p99 ?? []);
  const arrived = windows.flatMap((one) => one.arrived ?? []);
  const compared = contender !== "none" && baseline.length === windows.length;
  return {
    contender,
    wholePerSecond: figureOf((one) => one.wholePerSecond),
    restrictedPerSecond: figureOf((one) => one.restrictedPerSecond),
    kilobytesPerSecond: figureOf((one) => one.bytesPerSecond / 1000),
    server: figure(percent(windows)),
    addedCpu: compared ? added(percent(windows), percent(baseline)) : null,
    scrapers: figureOf((one) => one.scrapers * 100),
    p50: arrived.length === 0 ? null : figure(arrived.map(({ p50 }) => p50)),
    p99: arrived.length === 0 ? null : figure(tail(windows, "arrived")),
    addedP99: compared && arrived.length > 0 ? addedTail(tail(windows, "arrived"), tail(baseline, "arrived")) : null,
    sentP99: arrived.length === 0 ? null : figure(tail(windows, "sent")),
  };
}

/** What Pilotfish may add to a server whose load its gateways see: percent of a core, and ms of the p99 of chunks. */
const MOST_CPU = 0.5;
const MOST_P99_MS = 1;

interface Claim {
  text: string;
  held: boolean;
}

export function claimsOf(tables: readonly Table[]): Claim[] {
  return tables.flatMap(({ load, gateways, rows }) => {
    const now = rows.find(({ contender }) => contender === "now");
    if (load === "unseen" || now === undefined) return [];
    const where = `${load}, ${gateways} gateway${gateways === 1 ? "" : "s"}`;
    const claims: Claim[] = [];
    if (now.addedCpu !== null)
      claims.push({
        text: `${where}: scraping adds ${now.addedCpu.median.toFixed(2)} % of a core, the target is at most ${MOST_CPU}`,
        held: now.addedCpu.median <= MOST_CPU,
      });
    if (now.addedP99 !== null)
      claims.push({
        text: `${where}: chunks are ${now.addedP99.median.toFixed(2)} ms later at p99, the target is at most ${MOST_P99_MS}`,
        held: now.addedP99.median <= MOST_P99_MS,
      });
    return claims;
  });
}
