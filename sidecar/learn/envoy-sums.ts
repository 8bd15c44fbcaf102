// The sums that an Envoy reports for a model. They rise for ever; whole numbers wrap at 2^32.
import type { ModelSums } from "../../protocol/model-sums.ts";
import { CLASSES } from "./tokenizer-fit.ts";

const WRAP = 2 ** 32;
/** A number that seems to have risen by more than this has fallen: the Envoy has started anew. */
const MOST = 2 ** 31;

export function emptySums(): ModelSums {
  const none = new Array<number>(CLASSES).fill(0);
  const counts = { requests: 0, cachedTokens: 0, usageRequests: 0, usageTokens: 0 };
  return { ...counts, bytes: none, usageBytes: none, fit: [0, 0, 0, 0, 0] };
}

export function sumOf(a: ModelSums, b: ModelSums): ModelSums {
  return combined(a, b, (x, y) => x + y);
}

/** Returns how much the sums rose from `before` to `after`; undefined: the Envoy has started anew between the two. */
export function risesOfSums(before: ModelSums, after: ModelSums): ModelSums | undefined {
  let fell = false;
  const whole = (to: number, from: number): number => {
    const rise = (to - from + WRAP) % WRAP;
    if (rise > MOST) fell = true;
    return rise;
  };
  const rises = combined(after, before, whole);
  const fit = after.fit.map((value, i) => value - (before.fit[i] ?? 0));
  return fell || fit.some((value) => !(value >= 0)) ? undefined : { ...rises, fit };
}

function combined(a: ModelSums, b: ModelSums, of: (x: number, y: number) => number): ModelSums {
  const list = (x: readonly number[], y: readonly number[]) => x.map((value, i) => of(value, y[i] ?? 0));
  return {
    requests: of(a.requests, b.requests),
    cachedTokens: of(a.cachedTokens, b.cachedTokens),
    bytes: list(a.bytes, b.bytes),
    usageRequests: of(a.usageRequests, b.usageRequests),
    usageTokens: of(a.usageTokens, b.usageTokens),
    usageBytes: list(a.usageBytes, b.usageBytes),
    fit: list(a.fit, b.fit),
  };
}
