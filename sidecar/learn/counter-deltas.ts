// Differences of two scrapes of a server's counters.
import { COUNTERS } from "../engines/engine-rows.ts";
import type { Counters } from "../engines/reading.ts";

/** A counter that rises by more between two scrapes is no truth. Sums of many such rises are still exact. */
const MAX_RISE = 1e12;

/**
 * Returns how much each counter rose from `before` to `after`. undefined: the server has started anew between the two, shows other
 * counters than before, or shows a rise that cannot be, so differences mean nothing.
 */
export function risesOf(before: Counters, after: Counters): Counters | undefined {
  const rises: Counters = {};
  for (const name of COUNTERS) {
    const from = before[name];
    const to = after[name];
    if (from === undefined && to === undefined) continue;
    if (from === undefined || to === undefined || to < from) return undefined;
    if (name === "startedAt" && to !== from) return undefined;
    if (!(to - from <= MAX_RISE)) return undefined;
    rises[name] = to - from;
  }
  return rises;
}

/** Returns the prompt tokens that came from any cache; undefined: the server does not say. */
export function cachedOf({ cachedTokens, hitTokens, externalHitTokens }: Counters): number | undefined {
  return cachedTokens ?? (hitTokens === undefined ? undefined : hitTokens + (externalHitTokens ?? 0));
}

/** Returns the prompt tokens that were computed; undefined: the server does not say. */
export function computedOf(counters: Counters): number | undefined {
  const cached = cachedOf(counters);
  if (counters.promptTokens === undefined || cached === undefined) return undefined;
  return Math.max(0, counters.promptTokens - cached);
}
