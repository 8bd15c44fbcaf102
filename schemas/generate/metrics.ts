// Makes the reference tables of the filter's and the sidecar's metrics.
import { METRICS } from "../../sidecar/metric-list.ts";
import { FILTER_METRICS } from "../metrics/filter-metrics.ts";

/** Name, type, labels and description of each metric of the filter. */
export function filterMetrics(): string[][] {
  return Object.values(FILTER_METRICS).map(({ type, name, perPlace, description }) => [
    `\`${(perPlace ? `pilotfish.place.PLACE${name}` : name).replaceAll(".", "_")}\``,
    type,
    perPlace ? "PLACE, in the name" : "",
    description,
  ]);
}

/** Name, type, labels and description of each metric of the sidecar, without the metrics of its Node process. */
export function sidecarMetrics(): string[][] {
  return Object.values(METRICS).map(({ name, type, labelNames, help }) => [
    `\`${name}\``,
    type,
    labelNames.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
}
