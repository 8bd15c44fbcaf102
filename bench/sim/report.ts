// Writes a run as tables (standard output and Markdown), JSON (all figures) and SVG (time to first token by quantile).
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { short } from "../../testkit/statistics.ts";
import { plot } from "../../testkit/svg.ts";
import { HERD_LIMIT, HERD_PODS, HERD_REQUESTS } from "./herd.ts";
import { type Figures, WARM_UP } from "./simulate.ts";

export interface Cell {
  load: string;
  title: string;
  pods: number;
  perSecond: number;
  rows: readonly { contender: string; figures: Figures }[];
}

interface Herd {
  kind: string;
  title: string;
  rows: readonly { contender: string; most: number }[];
}

export interface SimRun {
  date: string;
  seed: number;
  requests: number;
  /** What the pods are. */
  pods: string;
  wasm: string;
  node: string;
  /** Duration of the run. */
  seconds: number;
  contenders: readonly { name: string; title: string }[];
  cells: readonly Cell[];
  herds: readonly Herd[];
}

const HEAD = [
  "contender",
  "mean",
  "p50",
  "p90",
  "p99",
  "output/s",
  "hit rate",
  "deepest queue",
  "most on a pod",
  "scraping",
  "scrapes/s",
];

export function loadTable(cell: Cell): string {
  const rows = cell.rows.map(({ contender, figures }) => [
    contender,
    short(figures.mean),
    short(figures.p50),
    short(figures.p90),
    short(figures.p99),
    short(figures.outputPerSecond),
    `${(figures.hitRate * 100).toFixed(1)} %`,
    String(figures.deepestQueue),
    `${(figures.mostShare * 100).toFixed(1)} %`,
    `${(figures.scrapeShare * 100).toFixed(2)} %`,
    short(figures.scrapesPerSecond),
  ]);
  const title = `## ${cell.load}: ${cell.title}; ${cell.pods} pods, ${short(cell.perSecond)} requests/s`;
  return [title, "", markdownTable(HEAD, rows), "", ...spanTable(cell)].join("\n");
}

/** The p90 of each part of a load. */
function spanTable({ rows }: Cell): string[] {
  const names = rows[0]?.figures.spans.map(({ name }) => name) ?? [];
  if (names.length === 0) return [];
  const lines = rows.map(({ contender, figures }) => [contender, ...figures.spans.map(({ p90 }) => short(p90))]);
  return ["p90 by the time of arrival:", "", markdownTable(["contender", ...names], lines), ""];
}

function herdTable(herds: readonly Herd[]): string {
  const names = herds[0]?.rows.map(({ contender }) => contender) ?? [];
  const rows = names.map((name) => [
    name,
    ...herds.map((herd) => String(herd.rows.find((row) => row.contender === name)?.most ?? "–")),
  ]);
  const title = `## ${HERD_REQUESTS} requests within a scrape period over ${HERD_PODS} pods: the most that a pod gets (fair: ${HERD_REQUESTS / HERD_PODS}, limit: ${HERD_LIMIT})`;
  return `${title}\n\n${markdownTable(["contender", ...herds.map((herd) => herd.title)], rows)}\n`;
}

/** A table of Markdown, with aligned columns. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i] as number) : text.padStart(widths[i] as number))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

function markdown(run: SimRun): string {
  return [
    `# Picking, simulated: time to first token in ms, seed ${run.seed}, ${run.requests} requests a load`,
    "",
    `${run.date.slice(0, 10)}, pilotfish.wasm ${run.wasm}, Node ${run.node}; the run took ${Math.round(run.seconds)} s.`,
    `Pods: ${run.pods}.`,
    `Nothing here was measured on a GPU. The first ${WARM_UP * 100} % of the requests fill caches and are not in times and hit rates.`,
    "",
    "Scraping is the share of its time for which a pod's API server process renders pages: it delivers no token and accepts no request meanwhile.",
    "",
    ...run.contenders.map(({ name, title }) => `- ${name}: ${title}`),
    "",
    ...run.cells.map(loadTable),
    ...(run.herds.length > 0 ? [herdTable(run.herds)] : []),
  ].join("\n");
}

/** Draws a panel for each load. The x axis is logarithmic: x = 1 / (1 - quantile). */
function drawing(run: SimRun): string {
  const panels = run.cells.map((cell) => ({
    title: `${cell.load}, ${cell.pods} pods, ${short(cell.perSecond)} requests/s`,
    lines: cell.rows.map(({ contender, figures }) => ({
      name: contender,
      points: [
        { x: 2, y: figures.p50, low: figures.p50, high: figures.p50 },
        { x: 10, y: figures.p90, low: figures.p90, high: figures.p90 },
        { x: 100, y: figures.p99, low: figures.p99, high: figures.p99 },
      ],
    })),
  }));
  return plot(panels, {
    title: "Simulated time to first token",
    subtitle: `seed ${run.seed}, ${run.requests} requests a load, pilotfish.wasm ${run.wasm}, ${run.date.slice(0, 10)}`,
    xLabel: "quantile",
    yLabel: "ms",
    formatX: (x) => `p${Math.round(100 - 100 / x)}`,
    floorY: 10,
    columns: 3,
  });
}

/** Writes sim-<date>.json, .md and .svg. */
export async function writeReport(run: SimRun, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = join(folder, `sim-${run.date.slice(0, 16).replaceAll(":", "")}`);
  await writeFile(`${name}.json`, `${JSON.stringify(run, null, 1)}\n`);
  await writeFile(`${name}.md`, markdown(run));
  if (run.cells.length > 0) await writeFile(`${name}.svg`, drawing(run));
  if (run.herds.length > 0) console.log(herdTable(run.herds));
  console.error(`written: ${name}.md, .json, .svg; ${Math.round(run.seconds)} s`);
}
