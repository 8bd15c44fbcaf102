// The duration of a step.
import type { PodParams } from "../params.ts";

interface Work {
  /** Prompt tokens that the step computes. */
  prefill: number;
  sequences: number;
  /** Tokens of the sequences' contexts that were computed before. */
  context: number;
  /** Ms for loading adapters. */
  loading: number;
}

/** Returns the duration of a step in ms, by the formula of engine.ts, with the pod's noise. */
export function stepMs(params: PodParams, work: Work, random: () => number): number {
  const ms =
    params.stepBaseMs +
    params.prefillTokenMs * work.prefill +
    params.sequenceMs * work.sequences +
    params.contextTokenMs * work.context +
    work.loading;
  const noise = params.noise === 0 ? 1 : 1 + params.noise * (2 * random() - 1);
  return (ms * noise) / params.speed;
}
