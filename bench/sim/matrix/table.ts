// The figures of a matrix by cell, contender and seed, and ratios of them.
import { type Figure, figure } from "../../../testkit/statistics.ts";
import type { Figures } from "../simulate.ts";
import type { MatrixCell } from "./cells.ts";
import type { Result } from "./results.ts";

export type Measure = "mean" | "p50" | "p90" | "p99" | "p99Cold" | "outputPerSecond" | "hitRate";

type Run = Omit<Figures, "perPod">;

/** All runs of one cell. */
export class CellRuns {
  readonly cell: MatrixCell;
  /** Requests a second, of the first seed. */
  readonly perSecond: number;
  readonly #runs = new Map<string, Map<number, Run>>();
  readonly errors: { contender: string; seed: number; error: string }[] = [];

  constructor(cell: MatrixCell, results: readonly Result[]) {
    this.cell = cell;
    this.perSecond = results[0]?.perSecond ?? 0;
    for (const { contender, seed, figures, error } of results) {
      if (figures === undefined) this.errors.push({ contender, seed, error: error ?? "failed" });
      else this.#runs.set(contender, (this.#runs.get(contender) ?? new Map<number, Run>()).set(seed, figures));
    }
  }

  get contenders(): string[] {
    return [...this.#runs.keys()];
  }

  seedsOf(contender: string): number[] {
    return [...(this.#runs.get(contender)?.keys() ?? [])];
  }

  run(contender: string, seed: number): Run | undefined {
    return this.#runs.get(contender)?.get(seed);
  }

  /** The median over the seeds with the lowest and the highest; undefined without a run. */
  figure(contender: string, measure: Measure): Figure | undefined {
    const values = [...(this.#runs.get(contender)?.values() ?? [])].map((run) => run[measure]);
    return values.length === 0 ? undefined : figure(values);
  }

  /** The p90 of each part of the load, as `figure`. Empty for a load without parts. */
  spans(contender: string): { name: string; p90: Figure }[] {
    const runs = [...(this.#runs.get(contender)?.values() ?? [])];
    const values = (i: number) => runs.flatMap(({ spans }) => spans[i]?.p90 ?? []);
    return (runs[0]?.spans ?? []).map(({ name }, i) => ({ name, p90: figure(values(i)) }));
  }

  /**
   * The figure of `subject` divided by the best of `others`, seed by seed, then the median with the lowest and the highest. The best is
   * the lowest, or with `highest` the highest. Undefined if no seed has both.
   */
  ratio(subject: string, others: readonly string[], measure: Measure, highest = false): Figure | undefined {
    const ratios = this.seedsOf(subject).flatMap((seed) => {
      const values = others.flatMap((other) => this.run(other, seed)?.[measure] ?? []);
      if (values.length === 0) return [];
      const best = highest ? Math.max(...values) : Math.min(...values);
      const own = (this.run(subject, seed) as Run)[measure];
      // Loads without common prefixes have no hits.
      return [best === 0 ? 1 : own / best];
    });
    return ratios.length === 0 ? undefined : figure(ratios);
  }
}
