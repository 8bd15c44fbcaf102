// Learns the prefill rate of a model's servers from what the filters measure, for servers without counters of their own: the slope
// of the time to the first byte over the uncached tokens that were ahead of a request, its own included.
//
//   seconds = slope · tokens + constant          rate = 1 / slope
//
// A weak prior says 20,000 tokens a second, as in a filter that has learned nothing.

const DEFAULT_SLOPE = 1 / 20_000;
/** The prior counts as this many requests whose tokens have this standard deviation. */
const PRIOR_REQUESTS = 20;
const PRIOR_TOKENS = 1000;
/** Requests until older requests count half. */
const HALF_LIFE = 2000;
/** With fewer requests, or tokens that vary less, nothing is told. */
const MIN_REQUESTS = 50;
const MIN_DEVIATION = 200;

const MAX_TOKENS = 2 ** 30;
const MAX_SECONDS = 3600;
/** What one request adds to each sum at most. */
const MOST = [1, MAX_TOKENS, MAX_SECONDS, MAX_TOKENS ** 2, MAX_TOKENS * MAX_SECONDS];

export class FirstByteFit {
  #sums = [0, 0, 0, 0, 0];

  /**
   * Adds a number of requests and their sums: n, sum x, sum y, sum x², sum x y. x: tokens; y: seconds. Sums that so few requests
   * cannot have are left out.
   */
  add(rises: readonly number[]): void {
    const n = rises[0] as number;
    if (!(n > 0) || !MOST.every((most, i) => (rises[i] as number) <= n * most)) return;
    const fade = 0.5 ** (n / HALF_LIFE);
    this.#sums = this.#sums.map((value, i) => value * fade + (rises[i] ?? 0));
  }

  /** Tokens a second; undefined: not known. */
  get rate(): number | undefined {
    const [n, x, y, xx, xy] = this.#sums as [number, number, number, number, number];
    const spread = xx - (x * x) / Math.max(n, 1);
    if (n < MIN_REQUESTS || spread < n * MIN_DEVIATION ** 2) return undefined;
    const prior = PRIOR_REQUESTS * PRIOR_TOKENS ** 2;
    const slope = (xy - (x * y) / n + prior * DEFAULT_SLOPE) / (spread + prior);
    return slope > 0 ? 1 / slope : undefined;
  }
}
