// Checks the claims about picks with the figures of a run.
import { short } from "../../testkit/statistics.ts";
import { BASELINES, EPP } from "./contenders.ts";
import { type Row, ratio } from "./figures.ts";
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
const MUCH_BETTER = ["shared"];

export function claimsOf(load: RoutingLoad, rows: readonly Row[]): Claim[] {
  const row = (name: string) => rows.find(({ contender }) => contender === name);
  const epp = row(EPP);
  const baselines = BASELINES.flatMap((name) => row(name) ?? []);
  const claims: Claim[] = [];
  for (const own of rows) {
    if (own.contender === EPP || BASELINES.includes(own.contender)) continue;
    const add = (claim: string, figures: string, holds: boolean) =>
      claims.push({ claim, load: load.name, contender: own.contender, figures, holds });
    if (epp) {
      const to = ratio(own, epp, "p90");
      const limit = MUCH_BETTER.includes(load.name) ? 0.7 : 1;
      add(
        limit < 1 ? `p90 at most ${limit} of EPP's` : "p90 below EPP's",
        `${spread(to)} of ${short(epp.figures.p90.median)} ms`,
        limit < 1 ? to.median <= limit : to.median < limit,
      );
      if (MUCH_BETTER.includes(load.name)) {
        const [mine, its] = [own.figures.hitRate.median, epp.figures.hitRate.median];
        add("at least EPP's hit rate", `${percent(mine)} against ${percent(its)}`, mine >= its);
      }
    }
    const best = baselines.sort((a, b) => a.figures.p90.median - b.figures.p90.median)[0];
    if (best) {
      const to = ratio(own, best, "p90");
      const figures = `${spread(to)} of ${best.contender}'s ${short(best.figures.p90.median)} ms`;
      add("p90 at most 1.03 of the best of round robin and least request", figures, to.median <= 1.03);
    }
    if (load.burstMs !== undefined) {
      const most = own.figures.mostOfBurst.high;
      const limit = burstLimit(BURST, load.pods);
      add(`no pod gets more than ${limit} of ${BURST} requests`, `${most} at most`, most <= limit);
    }
  }
  return claims;
}

function spread({ median, low, high }: { median: number; low: number; high: number }): string {
  return `${median.toFixed(2)} (${low.toFixed(2)}…${high.toFixed(2)})`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
