// Counts good scrapes, of which thousands may end in a second. prom-client validates and hashes labels at each observation,
// which costs a fifth of the time for parsing a scrape. So the counts are plain numbers until the metrics are scraped.
import type { MetricObjectWithValues, MetricValue, MetricValueWithName } from "prom-client";

export class Tally {
  readonly #bounds: readonly number[];
  /** The counts of the buckets, not cumulative. The last bucket counts values above all bounds. */
  readonly #buckets: Float64Array;
  #sum = 0;
  #count = 0;
  readonly #endpoints = new Map<string, { good: number; lastSeconds: number }>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#buckets = new Float64Array(bounds.length + 1);
  }

  scraped(endpoint: string, seconds: number): void {
    let i = 0;
    while (i < this.#bounds.length && seconds > (this.#bounds[i] as number)) i++;
    (this.#buckets[i] as number) += 1;
    this.#sum += seconds;
    this.#count++;
    const known = this.#endpoints.get(endpoint);
    if (known === undefined) this.#endpoints.set(endpoint, { good: 1, lastSeconds: seconds });
    else {
      known.good++;
      known.lastSeconds = seconds;
    }
  }

  forget(endpoint: string): void {
    this.#endpoints.delete(endpoint);
  }

  *endpoints(): Iterable<{ endpoint: string; good: number; lastSeconds: number }> {
    for (const [endpoint, known] of this.#endpoints) yield { endpoint, ...known };
  }

  /** Returns the durations as a metric for prom-client's registry. */
  histogram(name: string, help: string): TallyHistogram {
    return {
      name,
      help,
      type: "histogram",
      aggregator: "sum",
      get: async () => {
        const values: Array<MetricValueWithName<string>> = [];
        let below = 0;
        for (const [i, bound] of [...this.#bounds, "+Inf"].entries()) {
          below += this.#buckets[i] as number;
          values.push({ labels: { le: bound }, value: below, metricName: `${name}_bucket` });
        }
        values.push({ labels: {}, value: this.#sum, metricName: `${name}_sum` });
        values.push({ labels: {}, value: this.#count, metricName: `${name}_count` });
        return { name, help, type: "histogram", aggregator: "sum", values } as never;
      },
      reset: () => {},
    };
  }
}

interface TallyHistogram {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  get(): Promise<MetricObjectWithValues<MetricValue<string>>>;
  reset(): void;
}
