// The sidecar's `learn` configuration for contenders that are told the truth, or nothing, about costs.
import type { PodParams } from "../../simulator/params.ts";
import { trueCosts } from "../sim/pilotfish/true-costs.ts";

/** `untold`: the sidecar learns nothing. `true`: it is given the true values. Undefined: it learns, as by default. */
export type ToldCosts = "untold" | "true" | undefined;

/**
 * The value of the key `learn`; undefined for the default. Pins count for all pods, so of unequal pods only the values that are equal
 * are pinned, and the sidecar learns the others.
 */
export function learnConfig(
  costs: ToldCosts,
  pods: readonly PodParams[],
  promptTokens: number,
): Record<string, unknown> | undefined {
  if (costs === undefined) return undefined;
  if (costs === "untold") return { enabled: false };
  const same = <T>(of: (pod: PodParams) => T): T | undefined => {
    const values = new Set(pods.map(of));
    return values.size === 1 ? of(pods[0] as PodParams) : undefined;
  };
  const of = (pod: PodParams) => trueCosts(pod, promptTokens);
  const pin = {
    bytesPerToken: same(({ tokenizer, tokenBytes }) => (tokenizer === "bytes" ? tokenBytes : undefined)),
    cacheTokens: same(({ kvBlocks, blockSize }) => kvBlocks * blockSize),
    prefillRate: same((pod) => of(pod).prefillRate),
    stepMs: same((pod) => of(pod).stepSeconds * 1000),
    sequenceMs: same((pod) => of(pod).sequenceSeconds * 1000),
  };
  return { pins: [Object.fromEntries(Object.entries(pin).filter(([, value]) => value !== undefined))] };
}
