// What work really costs on a pod, for contenders that are told it.
import type { PodParams } from "../../../simulator/params.ts";

interface TrueCosts {
  /** Tokens a second. */
  prefillRate: number;
  stepSeconds: number;
  sequenceSeconds: number;
}

/** Sequences that are assumed to run beside a prefill. */
const BESIDE = 25;

/**
 * The costs for prompts of `promptTokens` tokens. The steps that prefill a prompt have the cost of a step and of its sequences too, so
 * the rate at which a queue of prompts drains is below that of the prefill alone.
 */
export function trueCosts(params: PodParams, promptTokens: number): TrueCosts {
  const { speed, prefillTokenMs, stepBaseMs, sequenceMs } = params;
  const prefillMs = stepBaseMs + sequenceMs * BESIDE + prefillTokenMs * promptTokens;
  return {
    prefillRate: (1000 * speed * promptTokens) / prefillMs,
    stepSeconds: stepBaseMs / 1000 / speed,
    sequenceSeconds: sequenceMs / 1000 / speed,
  };
}
