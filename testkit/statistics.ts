// Robust statistics of repetitions. A figure is the median with the lowest and the highest repetition. So no figure assumes a
// distribution of the noise.

export interface Figure {
  median: number;
  low: number;
  high: number;
}

/** The q-quantile, by linear interpolation between the closest ranks. The list need not be sorted. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError("quantile: the list is empty, at least one value is expected");
  if (!(q >= 0 && q <= 1)) throw new RangeError(`quantile: ${q} given, 0 to 1 is expected`);
  const sorted = Float64Array.from(values).sort();
  const rank = q * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (rank - below);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function figure(values: readonly number[]): Figure {
  return { median: median(values), low: quantile(values, 0), high: quantile(values, 1) };
}

/**
 * How much `values` exceed `baseline`, repetition by repetition. Both lists come from the same interleaved run, so a disturbance
 * of the machine affects both values of a repetition.
 */
export function added(values: readonly number[], baseline: readonly number[]): Figure {
  if (values.length !== baseline.length)
    throw new RangeError(`added: ${values.length} repetitions against ${baseline.length}, as many are expected`);
  return figure(values.map((value, i) => value - (baseline[i] as number)));
}

/**
 * How much tail latencies exceed the baseline. A disturbance may affect the tail of one contender and not of the next. Pairs of
 * repetitions would therefore add the baseline's noise to the contender's. So each value is compared with the baseline's median.
 */
export function addedTail(values: readonly number[], baseline: readonly number[]): Figure {
  const from = median(baseline);
  return figure(values.map((value) => value - from));
}

/** 3 significant digits, without exponent: 7.31, 73.1, 731, 7310. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(size >= 10 ? 1 : 2);
}
