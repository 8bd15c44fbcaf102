// The metrics of both programs, from the list of each.
import { metricsTable } from "../../sidecar/metrics.ts";
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

export async function sidecarMetrics(): Promise<string[][]> {
  return (await metricsTable()).map((row) => [`\`${row.name}\``, row.type, row.meaning]);
}
