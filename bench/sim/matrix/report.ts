// Writes a matrix as Markdown, JSON and SVG.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Figure, short } from "../../../testkit/statistics.ts";
import { plot } from "../../../testkit/svg.ts";
import { markdownTable } from "../report.ts";
import { podsName } from "./cells.ts";
import { type Subjects, type Verdict, verdictLine } from "./checks.ts";
import type { CellRuns, Measure } from "./table.ts";

interface MatrixRun extends Subjects {
  date: string;
  wasm: string;
  seeds: readonly number[];
  contenders: readonly { name: string; title: string }[];
  cells: readonly CellRuns[];
  verdicts: readonly Verdict[];
}

const spread = ({ median, low, high }: Figure): string =>
  low === high ? short(median) : `${short(median)} (${short(low)}–${short(high)})`;

const MEASURES: readonly { measure: Measure; title: string; text: (figure: Figure) => string }[] = [
  { measure: "p90", title: "p90 of the time to first token, ms: median (lowest–highest) over the seeds", text: spread },
  { measure: "p99", title: "p99, ms", text: ({ median }) => short(median) },
  { measure: "hitRate", title: "hit rate, %", text: ({ median }) => (median * 100).toFixed(1) },
  { measure: "outputPerSecond", title: "output tokens a second", text: ({ median }) => short(median) },
];

function loadSection(load: string, cells: readonly CellRuns[], run: MatrixRun): string[] {
  const names = run.contenders
    .map(({ name }) => name)
    .filter((name) => cells.some((one) => one.seedsOf(name).length > 0));
  const tables = MEASURES.flatMap(({ measure, title, text }) => {
    const rows = cells.map((runs) => [
      podsName(runs.cell),
      short(runs.perSecond),
      ...names.map((name) => {
        const figure = runs.figure(name, measure);
        return figure === undefined ? "–" : text(figure);
      }),
    ]);
    return [title, "", markdownTable(["pods", "requests/s", ...names], rows), ""];
  });
  const errors = cells.flatMap((runs) =>
    runs.errors.map(({ contender, seed, error }) => `- ${podsName(runs.cell)}, ${contender}, seed ${seed}: ${error}`),
  );
  return [
    `## ${load}`,
    "",
    ...tables,
    ...cells.flatMap((runs) => spanTable(runs, names)),
    ...(errors.length > 0 ? [...errors, ""] : []),
  ];
}

/** The p90 by the time of arrival, for a load that has parts. */
function spanTable(runs: CellRuns, names: readonly string[]): string[] {
  const parts = names.flatMap((name) => (runs.spans(name).length > 0 ? [{ name, spans: runs.spans(name) }] : []));
  if (parts.length === 0) return [];
  const head = ["contender", ...(parts[0]?.spans.map(({ name }) => name) ?? [])];
  const rows = parts.map(({ name, spans }) => [name, ...spans.map(({ p90 }) => short(p90.median))]);
  return [`p90 by the time of arrival on ${podsName(runs.cell)}, ms`, "", markdownTable(head, rows), ""];
}

function verdictSection(verdicts: readonly Verdict[]): string[] {
  return [
    "## What the simulation must show",
    "",
    ...verdicts.flatMap((verdict) => [
      `- ${verdictLine(verdict)}`,
      ...verdict.readings.filter(({ met }) => !met).map(({ cell, text }) => `  - ${cell}: ${text}`),
    ]),
    "",
  ];
}

function byLoad(cells: readonly CellRuns[]): Map<string, CellRuns[]> {
  const loads = new Map<string, CellRuns[]>();
  for (const runs of cells) loads.set(runs.cell.load, [...(loads.get(runs.cell.load) ?? []), runs]);
  return loads;
}

function markdown(run: MatrixRun): string {
  return [
    `# Picking, simulated on several pods: ${run.cells.length} cells, seeds ${run.seeds.join(", ")}`,
    "",
    `${run.date.slice(0, 10)}, pilotfish.wasm ${run.wasm}. Nothing here was measured on a GPU. The first fifth of the requests fills caches.`,
    `Ratios compare runs of one seed, which have the same arrivals; a line judges the median of the ratios. Judged: ${run.subject}.`,
    "",
    ...verdictSection(run.verdicts),
    ...[...byLoad(run.cells)].flatMap(([load, cells]) => loadSection(load, cells, run)),
    "## Contenders",
    "",
    ...run.contenders.map(({ name, title }) => `- ${name}: ${title}`),
    "",
  ].join("\n");
}

/** A panel for each load: the p90 on each kind of pods. */
function drawing(run: MatrixRun): string {
  const rows = [...new Set(run.cells.map(({ cell }) => podsName(cell)))];
  const panels = [...byLoad(run.cells)].map(([load, cells]) => ({
    title: `${load}: p90`,
    lines: run.contenders.map(({ name }) => ({
      name,
      points: cells.flatMap((runs) => {
        const figure = runs.figure(name, "p90");
        if (figure === undefined) return [];
        return [{ x: 1 + rows.indexOf(podsName(runs.cell)), y: figure.median, low: figure.low, high: figure.high }];
      }),
    })),
  }));
  return plot(panels, {
    title: "Simulated time to first token on several pods",
    subtitle: `p90, seeds ${run.seeds.join(", ")}, pilotfish.wasm ${run.wasm}, ${run.date.slice(0, 10)}; pods: ${rows.map((row, i) => `${i + 1} ${row}`).join(", ")}`,
    xLabel: "pods",
    yLabel: "ms",
    formatX: (x) => String(x),
    floorY: 10,
    columns: 3,
  });
}

/** Writes matrix-<date>.md, .json and .svg. Returns the path without ending. */
export async function writeMatrix(run: MatrixRun, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `matrix-${run.date.slice(0, 16).replaceAll(":", "")}`);
  const cells = run.cells.map((runs) => ({
    ...runs.cell,
    perSecond: runs.perSecond,
    contenders: Object.fromEntries(
      runs.contenders.map((name) => [
        name,
        {
          ...Object.fromEntries(MEASURES.map(({ measure }) => [measure, runs.figure(name, measure)])),
          spans: runs
            .seedsOf(name)
            .map((seed) => runs.run(name, seed)?.spans.map(({ name: span, p90 }) => [span, p90])),
        },
      ]),
    ),
    errors: runs.errors,
  }));
  await writeFile(`${path}.json`, `${JSON.stringify({ ...run, cells }, null, 1)}\n`);
  await writeFile(`${path}.md`, markdown(run));
  await writeFile(`${path}.svg`, drawing(run));
  return path;
}
