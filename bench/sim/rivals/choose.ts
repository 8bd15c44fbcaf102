// Chooses a pod by its score, as pickers do that break ties at random.
import type { Draws } from "../draws.ts";

/** The index of the highest value. Equal values win equally often. */
export function highest(values: readonly number[], draws: Draws): number {
  let best = Number.NEGATIVE_INFINITY;
  let ties = 0;
  let chosen = 0;
  for (const [i, value] of values.entries()) {
    if (value < best) continue;
    ties = value > best ? 1 : ties + 1;
    best = value;
    if (draws.below(ties) === 0) chosen = i;
  }
  return chosen;
}

/** The index of the lowest value. Equal values win equally often. */
export function lowest(values: readonly number[], draws: Draws): number {
  return highest(
    values.map((value) => -value),
    draws,
  );
}
