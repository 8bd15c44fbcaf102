// The metrics of what scrapes cost the endpoints.
import { Counter, Gauge, type Registry } from "prom-client";
import type { Clock } from "./clock.ts";
import { METRICS } from "./metric-list.ts";
import type { Pod } from "./pod.ts";

type Row = (typeof METRICS)[keyof typeof METRICS];
type Fill = (pod: Pod, set: (labels: Record<string, string>, value: number) => void) => void;

/** The series are made at each scrape of this sidecar, so that no series outlives its endpoint. */
function fromPods(row: Row, fill: Fill, registry: Registry, pods: () => Iterable<Pod>): void {
  const { name, help, type } = row;
  const options = { name, help, labelNames: [...row.labelNames], registers: [registry] };
  if (type === "counter") {
    new Counter<string>({
      ...options,
      collect() {
        this.reset();
        for (const pod of pods()) fill(pod, (labels, value) => this.inc({ endpoint: pod.address, ...labels }, value));
      },
    });
  } else {
    new Gauge<string>({
      ...options,
      collect() {
        this.reset();
        for (const pod of pods()) fill(pod, (labels, value) => this.set({ endpoint: pod.address, ...labels }, value));
      },
    });
  }
}

/** Registers the metrics with the pages that endpoints are asked for, and the cost of these pages. */
export function scrapeMetrics(registry: Registry, pods: () => Iterable<Pod>, clock: Clock): void {
  const add = (row: Row, fill: Fill) => fromPods(row, fill, registry, pods);
  add(METRICS.scrapePage, ({ page }, set) => {
    if (page !== undefined) set({ page }, 1);
  });
  add(METRICS.scrapePages, ({ cost }, set) => {
    for (const [kind, read] of Object.entries(cost?.pages ?? {})) set({ kind }, read);
  });
  add(METRICS.scrapeBytes, ({ cost }, set) => {
    if (cost !== undefined) set({}, cost.bytes);
  });
  add(METRICS.scrapeAnswer, ({ cost }, set) => {
    const leastMs = cost?.leastMs ?? null;
    if (leastMs !== null) set({}, leastMs / 1000);
  });
  add(METRICS.scrapeShare, ({ cost }, set) => {
    if (cost !== undefined) set({}, cost.shareAt(clock.now()));
  });
}
