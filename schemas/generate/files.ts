// Makes every generated file: the readers of the filter's configuration, the JSON Schemas, and the tables of docs/reference/.
import { readFileSync } from "node:fs";
import { configurationTables, table } from "./configuration-tables.ts";
import { filterSchema } from "./filter-schema.ts";
import { formatted } from "./format.ts";
import { metricList } from "./metric-list.ts";
import { filterMetrics, sidecarMetrics } from "./metrics.ts";
import { generatedReaders } from "./readers.ts";
import { published } from "./schema.ts";
import { sidecarSchema } from "./sidecar-schema.ts";

/** Maps the path of each generated file to its text. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const add = (path: string, text: string) => files.set(path, formatted(path, text));
  for (const [path, text] of generatedReaders()) add(path, text);
  add("assembly/metric-list.ts", metricList());
  const filter = filterSchema();
  add("schemas/filter.schema.json", JSON.stringify(published(filter, "Configuration of the Pilotfish filter")));
  const sidecar = sidecarSchema();
  add("schemas/sidecar.schema.json", JSON.stringify(published(sidecar, "Configuration of the Pilotfish sidecar")));
  const pages: Record<string, Record<string, string>> = {
    "docs/reference/filter-configuration.md": { "filter-configuration": configurationTables(filter) },
    "docs/reference/sidecar-configuration.md": {
      "sidecar-configuration": configurationTables(sidecar),
    },
    "docs/reference/metrics.md": {
      "filter-metrics": table(["metric", "type", "labels", "description"], filterMetrics()),
      "sidecar-metrics": table(["metric", "type", "labels", "description"], sidecarMetrics()),
    },
  };
  for (const [page, blocks] of Object.entries(pages)) files.set(page, withBlocks(page, blocks));
  return files;
}

/** Fills the generated blocks of a page. The text around the blocks is written by hand. */
function withBlocks(page: string, blocks: Readonly<Record<string, string>>): string {
  let text = readFileSync(page, "utf8");
  for (const [name, block] of Object.entries(blocks)) {
    const start = `<!-- ${name} -->\n`;
    const from = text.indexOf(start) + start.length;
    const to = text.indexOf("\n<!-- end -->", from);
    if (from < start.length || to < 0)
      throw new Error(`${page}: expected a block from ${start.trim()} to <!-- end -->`);
    text = text.slice(0, from) + block + text.slice(to);
  }
  return text;
}
