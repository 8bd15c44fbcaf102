// The metrics of both programs, from the list of each.
import { readFileSync } from "node:fs";
import { metricsTable } from "../../sidecar/metrics.ts";

/** Name, type and description of each metric of the filter: the rows of assembly/stats.ts. */
export function filterMetrics(): string[][] {
  const text = readFileSync("assembly/stats.ts", "utf8");
  const found = text.matchAll(/^ {2}\/\/ (.*)\n {2}define\((\w+), (COUNTER|GAUGE), "([\w.]+)"\);/gm);
  return [...found].map((match) => [
    `\`${(match[4] ?? "").replaceAll(".", "_")}\``,
    (match[3] ?? "").toLowerCase(),
    match[1] ?? "",
  ]);
}

export async function sidecarMetrics(): Promise<string[][]> {
  return (await metricsTable()).map((row) => [`\`${row.name}\``, row.type, row.meaning]);
}
