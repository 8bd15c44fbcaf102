// Writes a run as tables (standard output and Markdown), JSON (all figures, without single requests) and SVG (quantiles by load).
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../../testkit/machine.ts";
import { type Figure, figure, short } from "../../testkit/statistics.ts";
import { plot } from "../../testkit/svg.ts";
import { type Claim, percent } from "./claims.ts";
import { disturbed, type Row } from "./figures.ts";
import type { RoutingLoad } from "./loads.ts";

export interface Cell {
  load: RoutingLoad;
  title: string;
  perSecond: number;
  /** From the first to the last arrival. */
  seconds: number;
  rows: Row[];
}

interface RoutingSetting {
  repetitions: number;
  seed: number;
  /** Contenders that ran at the same time. */
  lanes: number;
  /** Worker threads of each Envoy of a contender that has no shape of its own. */
  concurrency: number;
  tokenBytes: number;
  pods: "simulated" | "mocker";
  /** Presets of simulated pods. */
  hardware: readonly string[];
}

export interface RoutingRun {
  date: string;
  machine: Machine;
  versions: Record<string, string>;
  setting: RoutingSetting;
  seconds: number;
  contenders: readonly { name: string; title: string }[];
  notes: readonly string[];
  cells: readonly Cell[];
  claims: readonly Claim[];
}

const PODS = {
  simulated: "Pods are simulated vLLM engines (simulator/).",
  mocker: "Pods are mocker engines of Dynamo, each behind a frontend of its own, or all behind Dynamo's KV router.",
} as const;

const HEAD = [
  "contender",
  "mean",
  "p50",
  "p90",
  "p99",
  "output/s",
  "hit rate",
  "scraping",
  "deepest queue",
  "refused",
  "cut off",
  "own cores",
  "disturbed",
];

export function cellTable(cell: Cell): string {
  const { load, title, perSecond, seconds, rows } = cell;
  const bursts = load.burstMs !== undefined;
  const restarts = rows.some(({ figures }) => figures.again.high + figures.broken.high > 0);
  const lines = rows.map((row) => lineOf(row, { bursts, restarts }));
  const scrape = load.scrapeMs === undefined ? "" : `, scrapes every ${load.scrapeMs} ms`;
  const envoys = load.envoys > 1 ? `, ${load.envoys} Envoys` : "";
  const head = [
    ...HEAD,
    ...(bursts ? ["most of a burst on a pod"] : []),
    ...(restarts ? ["sent again", "broken off"] : []),
  ];
  return [
    `## ${load.name}: ${title}; ${load.pods} pods, ${short(perSecond)} requests/s for ${Math.round(seconds)} s${scrape}${envoys}`,
    "",
    ...table(head, lines),
    "",
    ...spanTable(rows),
    ...restartLines(cell),
    ...cpuLines(cell),
    "",
  ].join("\n");
}

function lineOf(row: Row, { bursts, restarts }: { bursts: boolean; restarts: boolean }): string[] {
  const { contender, figures: f, repetitions } = row;
  const marked = disturbed(row);
  return [
    contender,
    ...[f.mean, f.p50, f.p90, f.p99].map(bracket),
    short(f.outputPerSecond.median),
    percent(f.hitRate.median),
    `${(f.scrapeShare.median * 100).toFixed(2)} %`,
    ...[f.deepestQueue, f.refused, f.cut].map(({ high }) => short(high)),
    servingCores(row).toFixed(2),
    marked === 0 ? "" : `**${marked} of ${repetitions.length}**`,
    ...(bursts ? [short(f.mostOfBurst.high)] : []),
    ...(restarts ? [f.again, f.broken].map(({ high }) => short(high)) : []),
  ];
}

/** The p90 of each part of the load; nothing for a load without parts. */
function spanTable(rows: readonly Row[]): string[] {
  const names = Object.keys(rows[0]?.spans ?? {});
  if (names.length === 0) return [];
  const lines = names.map((name) => [name, ...rows.map(({ spans }) => bracket(spans[name] as Figure))]);
  return ["p90 by part of the load:", "", ...table(["part", ...rows.map(({ contender }) => contender)], lines), ""];
}

/** Cores that the contender itself used: its Envoys, and its sidecar or peer. */
export function servingCores({ cores }: Row): number {
  const parts = Object.entries(cores).filter(([part]) => part !== "client" && part !== "pods");
  return parts.reduce((sum, [, { median }]) => sum + median, 0);
}

/** How long the Envoys were away that began anew. */
function restartLines({ rows }: Cell): string[] {
  return rows.flatMap(({ contender, awayMs }) => {
    if (awayMs.length === 0) return [];
    const { median, high } = figure(awayMs);
    return [
      `${contender}: ${awayMs.length} restarts, ${short(median)} ms each until ready, at most ${short(high)} ms.`,
      "",
    ];
  });
}

function cpuLines({ rows }: Cell): string[] {
  const busy = Math.max(...rows.map(({ figures }) => figures.busy.high));
  const parts = rows.map(({ contender, cores, figures }) => {
    const each = Object.entries(cores).map(([part, used]) => `${part} ${used.median.toFixed(2)}`);
    return `${contender}: ${each.join(", ")}; sent late p99 ${short(figures.late.high)} ms`;
  });
  const foreign = Math.max(...rows.map(({ figures }) => figures.foreign.high));
  const machine = `Machine busy at most ${percent(busy)}, other programs at most ${foreign.toFixed(2)} cores.`;
  return [`${machine} Cores: ${parts.join(" · ")}`];
}

function presets({ pods, hardware, tokenBytes }: RoutingSetting): string {
  return pods === "mocker" ? "" : ` Pods have the presets ${hardware.join(", ")} and ${tokenBytes} bytes a token.`;
}

function markdown(run: RoutingRun, image?: string): string {
  const { machine, setting } = run;
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
  return `${[
    `# Picking on a real Envoy: time to first token in ms, ${run.date.slice(0, 10)}`,
    "",
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}; load at the start ${machine.loadBefore}.`,
    `${versions.join(", ")}, Node ${machine.node}. The run took ${Math.round(run.seconds)} s.`,
    `${PODS[setting.pods]} Model time is waited for, not computed, and nothing here is a GPU. Each contender has its own pods and Envoys with ${setting.concurrency} workers, unless its name says otherwise; ${setting.lanes} ran at a time.${presets(setting)}`,
    `${setting.repetitions} repetitions with seeds from ${setting.seed} on, the same requests for all contenders in each; figures are medians, in brackets the lowest and highest.`,
    "Arrivals are open-loop, times are from when a request was due. The first fifth of the requests fills caches and is not in the figures. What had no first token 4 s (in overload 20 s) after the last arrival was cut off and counts with as long as it had waited.",
    "A repetition is disturbed, and counted in the last column, if the machine was more than 85 % busy or other programs used more than 0.3 cores.",
    ...run.notes,
    "",
    ...run.contenders.map(({ name, title }) => `- \`${name}\`: ${title}`),
    "",
    ...(image ? [`![time to first token by quantile](${image})`, ""] : []),
    ...claimTable(run.claims),
    ...run.cells.map(cellTable),
  ]
    .join("\n")
    .trimEnd()}\n`;
}

export function claimTable(claims: readonly Claim[]): string[] {
  if (claims.length === 0) return [];
  const rows = claims.map((one) => [one.holds ? "met" : "**missed**", one.contender, one.load, one.claim, one.figures]);
  const held = claims.filter(({ holds }) => holds).length;
  const head = ["", "contender", "load", "claim", "figures"];
  return [`## Claims: ${held} of ${claims.length} met`, "", ...table(head, rows), ""];
}

function bracket({ median, low, high }: Figure): string {
  return `${short(median)} (${short(low)}…${short(high)})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)];
}

/** Draws a panel for each load. The x axis is logarithmic: x = 1 / (1 - quantile). */
function drawing(run: RoutingRun): string {
  const panels = run.cells.map(({ load, rows }) => ({
    title: `${load.name}, ${load.pods} pods`,
    lines: rows.map(({ contender, figures }) => ({
      name: contender,
      points: [
        { x: 2, y: figures.p50.median, low: figures.p50.low, high: figures.p50.high },
        { x: 10, y: figures.p90.median, low: figures.p90.low, high: figures.p90.high },
        { x: 100, y: figures.p99.median, low: figures.p99.low, high: figures.p99.high },
      ],
    })),
  }));
  return plot(panels, {
    title: "Time to first token on a real Envoy, simulated pods",
    subtitle: `${run.machine.cores} × ${run.machine.cpu}, ${run.date.slice(0, 10)}; medians, bars from lowest to highest repetition`,
    xLabel: "quantile",
    yLabel: "ms",
    formatX: (x) => `p${Math.round(100 - 100 / x)}`,
    floorY: 10,
    columns: 3,
  });
}

/** Writes routing-<date>.json, .md and .svg. Returns their paths. */
export async function writeReport(run: RoutingRun, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const name = `routing-${run.date.slice(0, 16).replaceAll(":", "")}`;
  const files: [string, string][] = [
    [`${name}.json`, `${JSON.stringify(run, null, 1)}\n`],
    [`${name}.md`, markdown(run, `${name}.svg`)],
    [`${name}.svg`, drawing(run)],
  ];
  for (const [file, content] of files) await writeFile(join(folder, file), content);
  return files.map(([file]) => join(folder, file));
}
