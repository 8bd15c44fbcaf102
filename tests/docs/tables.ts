// The tables of docs/reference/ are generated from the code: `tsx tests/docs/tables.ts` writes them, readme.test.ts compares them.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { configTable } from "../../sidecar/config/table.ts";
import { metricsTable } from "../../sidecar/metrics.ts";

const CONFIG_FILES = ["config", "body", "names", "pick", "ejection", "session", "admission", "log"];

/** `key   default   meaning` of the comment at the top of each file of assembly/config. */
export function filterConfiguration(): string[][] {
  const rows: string[][] = [];
  for (const file of CONFIG_FILES) {
    for (const line of readFileSync(`assembly/config/${file}.ts`, "utf8").split("\n")) {
      const match = /^\/\/ {3}([a-z][A-Za-z.]*) +(\S.*?) {2,}(\S.*)$/.exec(line) ?? short(line);
      if (match) rows.push([`\`${match[1]}\``, `\`${match[2]}\``, sentence(match[3] ?? "")]);
    }
  }
  return rows;
}

/** A line whose columns are one blank apart. */
function short(line: string): RegExpExecArray | null {
  return /^\/\/ {3}([a-z]+\.[A-Za-z.]+) +(\S+) {3}(\S.*)$/.exec(line);
}

/** `define(...)` with the comment above it, of assembly/stats.ts. */
export function filterMetrics(): string[][] {
  const text = readFileSync("assembly/stats.ts", "utf8");
  const found = text.matchAll(/^ {2}\/\/ (.*)\n {2}define\((\w+), (COUNTER|GAUGE), "([\w.]+)"\);/gm);
  return [...found].map((match) => [
    `\`${(match[4] ?? "").replaceAll(".", "_")}\``,
    (match[3] ?? "").toLowerCase(),
    match[1] ?? "",
  ]);
}

export function sidecarConfiguration(): string[][] {
  return configTable().map((row) => [`\`${row.key}\``, `\`${row.default}\``, row.meaning]);
}

export async function sidecarMetrics(): Promise<string[][]> {
  return (await metricsTable()).map((row) => [`\`${row.name}\``, row.type, row.meaning]);
}

function sentence(text: string): string {
  return text.replaceAll("|", "\\|");
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export async function blocks(): Promise<Record<string, string>> {
  return {
    "filter-configuration": table(["key", "default", "meaning"], filterConfiguration()),
    "sidecar-configuration": table(["key", "default", "meaning"], sidecarConfiguration()),
    "filter-metrics": table(["metric", "type", "meaning"], filterMetrics()),
    "sidecar-metrics": table(["metric", "type", "meaning"], await sidecarMetrics()),
  };
}

/** The pages of docs/reference/ that hold generated tables, with their blocks as the code has them. */
export const PAGES = ["filter-configuration", "sidecar-configuration", "metrics"].map(
  (name) => `docs/reference/${name}.md`,
);

export async function withBlocks(page: string): Promise<string> {
  let result = page;
  for (const [name, text] of Object.entries(await blocks())) {
    const start = `<!-- ${name} -->\n`;
    const end = `\n<!-- end -->`;
    const from = result.indexOf(start);
    if (from < 0) continue;
    const to = result.indexOf(end, from);
    result = result.slice(0, from + start.length) + text + result.slice(to);
  }
  return result;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const page of PAGES) writeFileSync(page, await withBlocks(readFileSync(page, "utf8")));
}
