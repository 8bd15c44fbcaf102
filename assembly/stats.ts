// The filter's metrics. Every outcome has a counter. schemas/metrics/filter-metrics.ts has the list of all metrics.
import { Writer } from "./base/writer";
import { COUNTER, defineMetric, GAUGE, incrementMetric, metricValue, recordMetric } from "./host/calls";
import { FIRST_GAUGE, METRICS, NAMES } from "./metric-list";

export * from "./metric-list";

/** Envoy's id of each metric, u32. defineMetrics() fills this array. */
const ids: usize = memory.data(METRICS * 4, 4);
let defined: bool = false;

/** Defines all metrics. Only the first call in a VM has an effect. */
export function defineMetrics(): void {
  if (defined) return;
  defined = true;
  for (let metric: u32 = 0; metric < METRICS; metric++)
    store<u32>(ids + metric * 4, defineMetric(metric < FIRST_GAUGE ? COUNTER : GAUGE, unchecked(NAMES[metric])));
}

/** Defines a counter of one place and returns Envoy's id of this counter. `name` is PLACE_PICKED or PLACE_WOULD_PICK. */
export function definePlaceCounter(name: string, place: string): u32 {
  return defineMetric(COUNTER, `pilotfish.place.${place}${name}`);
}

/** Adds 1 to a counter. */
export function count(metric: u32): void {
  incrementMetric(load<u32>(ids + metric * 4), 1);
}

/** Sets a gauge. */
export function record(metric: u32, value: u64): void {
  recordMetric(load<u32>(ids + metric * 4), value);
}

/** Writes all metrics as a JSON object, `{"pilotfish.picked":12,...}`. The values are sums over all workers. */
export function writeMetrics(w: Writer): void {
  for (let metric: u32 = 0; metric < METRICS; metric++) {
    w.raw(metric == 0 ? '{"' : ',"');
    w.raw(unchecked(NAMES[metric]));
    w.raw('":');
    w.number(metricValue(load<u32>(ids + metric * 4)));
  }
  w.raw("}");
}
