// Metrics that guests define. A type and name have one value, which all VMs of the process share.

export type MetricType = "counter" | "gauge" | "histogram";

export interface Metric {
  type: MetricType;
  name: string;
  value: bigint;
  /** The values that were recorded in a histogram. */
  samples: bigint[];
}

export class MetricStore {
  readonly #metrics = new Map<string, Metric>();

  define(type: MetricType, name: string): Metric {
    const key = `${type} ${name}`;
    let metric = this.#metrics.get(key);
    if (!metric) {
      metric = { type, name, value: 0n, samples: [] };
      this.#metrics.set(key, metric);
    }
    return metric;
  }

  /**
   * Returns the value of a counter or gauge by its name without Envoy's prefix `wasmcustom.`; undefined: no guest defined it.
   */
  value(name: string): number | undefined {
    const metric = this.#metrics.get(`counter ${name}`) ?? this.#metrics.get(`gauge ${name}`);
    return metric && Number(metric.value);
  }

  /** Returns all counters and gauges, by name. */
  values(): Record<string, number> {
    const all = [...this.#metrics.values()].filter((metric) => metric.type !== "histogram");
    return Object.fromEntries(all.map((metric) => [metric.name, Number(metric.value)]));
  }

  samples(name: string): number[] | undefined {
    return this.#metrics.get(`histogram ${name}`)?.samples.map(Number);
  }
}
