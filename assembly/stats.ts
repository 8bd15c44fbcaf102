// The filter's metrics. Every outcome has a counter. schemas/metrics/filter-metrics.ts has the list of all metrics.
import { Writer } from "./base/writer";
import { COUNTER, defineMetric, GAUGE, incrementMetric, metricValue, recordMetric } from "./host/calls";
import { FIRST_GAUGE, METRICS, NAMES } from "./metric-list";

export * from "./metric-list";

/** What Envoy calls each metric, u32; from defineMetrics() on. */
const ids: usize = memory.data(METRICS * 4, 4);
let defined: bool = false;

/** Once per VM, with the first configuration. */
export function defineMetrics(): void {
  if (defined) return;
  defined = true;
  for (let metric: u32 = 0; metric < METRICS; metric++)
    store<u32>(ids + metric * 4, defineMetric(metric < FIRST_GAUGE ? COUNTER : GAUGE, unchecked(NAMES[metric])));
}

/** Returns what Envoy calls the counter of one place. `name` is PLACE_PICKED or PLACE_WOULD_PICK. */
export function definePlaceCounter(name: string, place: string): u32 {
  return defineMetric(COUNTER, `pilotfish.place.${place}${name}`);
}

export function count(metric: u32): void {
  incrementMetric(load<u32>(ids + metric * 4), 1);
}

export function record(metric: u32, value: u64): void {
  recordMetric(load<u32>(ids + metric * 4), value);
}

/** `{"pilotfish.picked":12,...}` of all metrics, over all workers. */
export function writeMetrics(w: Writer): void {
  for (let metric: u32 = 0; metric < METRICS; metric++) {
    w.raw(metric == 0 ? '{"' : ',"');
    w.raw(unchecked(NAMES[metric]));
    w.raw('":');
    w.number(metricValue(load<u32>(ids + metric * 4)));
  }
  w.raw("}");
}
