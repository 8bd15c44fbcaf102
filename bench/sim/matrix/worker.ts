// A process of the matrix. It runs one contender under one load at a time, and keeps the load for the next contender.
import { serve } from "../../routing/child.ts";
import { contenderOf } from "../contenders.ts";
import { type Load, makeLoad } from "../loads.ts";
import { type Figures, simulate } from "../simulate.ts";
import type { MatrixCell } from "./cells.ts";

export interface Task {
  cell: MatrixCell;
  seed: number;
  contender: string;
}

export interface Outcome {
  /** Undefined if the run failed. */
  figures?: Omit<Figures, "perPod">;
  error?: string;
  /** Requests a second for all pods. */
  perSecond: number;
}

export interface WorkerAsks {
  run: { given: Task; answer: Outcome };
}

let kept: { key: string; load: Load } | undefined;

function loadOf({ load, hardware, tokenBytes, count, requests }: MatrixCell, seed: number): Load {
  const key = JSON.stringify([load, hardware, tokenBytes, count, requests, seed]);
  if (kept?.key !== key) {
    const options = { pods: count, requests, seed, hardware: [hardware], params: { tokenBytes } };
    kept = { key, load: makeLoad(load, options) };
  }
  return kept.load;
}

serve<WorkerAsks>({
  run({ cell, seed, contender }) {
    const load = loadOf(cell, seed);
    const perSecond = load.requests.length / ((load.requests.at(-1)?.at ?? 0) / 1000);
    try {
      const { perPod, ...figures } = simulate(load, contenderOf(contender), { seed });
      return { figures, perSecond };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error), perSecond };
    }
  },
});
