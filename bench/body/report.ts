// Writes a run as JSON (all figures), Markdown (tables, also on standard output) and SVG (added CPU by size).

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../../testkit/machine.ts";
import { type Figure, short } from "../../testkit/statistics.ts";
import { type Panel, plot } from "../../testkit/svg.ts";
import { POSITIONS } from "./bodies.ts";
import { BASELINE } from "./contenders.ts";
import { type IdleRate, REGIMES, type Regime, SPACING_MS } from "./measure.ts";
import type { MemoryRow } from "./memory.ts";
import { formatSize } from "./sizes.ts";
import type { Cell, Claim, Row } from "./summary.ts";
import { TEXT_TITLES, TEXTS } from "./texts.ts";

export interface Run {
  date: string;
  mode: string;
  machine: Machine;
  versions: Readonly<Record<string, string>>;
  contenders: readonly { name: string; title: string }[];
  /** Contenders that could not run, each with the reason. */
  skipped: readonly string[];
  notes: readonly string[];
  repetitions: number;
  connections: number;
  idle: Readonly<Record<string, IdleRate>>;
  cells: readonly Cell[];
  memory: readonly MemoryRow[];
  claims: readonly Claim[];
}

/** Writes body-<date>.json, .md and .svg. Returns their paths. */
export async function writeReport(run: Run, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const name = `body-${run.date.slice(0, 16).replaceAll(":", "")}`;
  const files: [string, string][] = [
    [`${name}.json`, `${JSON.stringify(run, null, 1)}\n`],
    [`${name}.md`, markdown(run, `${name}.svg`)],
  ];
  const drawing = drawRun(run);
  if (drawing) files.push([`${name}.svg`, drawing]);
  for (const [file, content] of files) await writeFile(join(folder, file), content);
  return files.map(([file]) => join(folder, file));
}

export function markdown(run: Run, image?: string): string {
  const { machine } = run;
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`);
  const out = [
    `# Model to header: cost per request, ${run.date.slice(0, 10)} (${run.mode})`,
    "",
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}; load at the start ${machine.loadBefore}.`,
    `${versions.join(", ")}, Node ${machine.node}. One Envoy process with one worker for each contender.`,
    `${run.repetitions} interleaved repetitions of distinct bodies. Figures are medians of the repetitions, in brackets the lowest and highest.`,
    `"Added" is against \`${BASELINE}\` in the same repetition. CPU is the scheduler's sum over all of Envoy's threads, less what the process uses when idle (all on the last core, where taskset is there);`,
    `back to back it is taken with ${run.connections} connections, latency with one; spaced is one request every ${SPACING_MS} ms on one connection.`,
    "The upstream is a process of its own that takes the whole body and says which header came, so Envoy's cost of sending the body on is in every figure, and every answer was checked.",
    ...run.notes,
    "",
    ...run.contenders.map(({ name, title }) => `- \`${name}\`: ${title}`),
    ...run.skipped.map((line) => `- not run: ${line}`),
    "",
  ];
  if (image && run.cells.length > 0) out.push(`![added CPU against size](${image})`, "");
  out.push(...claimTable(run.claims));
  for (const regime of REGIMES) {
    const cells = run.cells.filter((cell) => cell.regime === regime);
    if (cells.length > 0) out.push(...regimeTables(regime, cells));
  }
  out.push(...memoryTable(run.memory), ...idleTable(run));
  return `${out.join("\n").trimEnd()}\n`;
}

function claimTable(claims: readonly Claim[]): string[] {
  if (claims.length === 0) return [];
  const rows = claims.map(({ claim, where, figures, holds }) => [holds ? "yes" : "**no**", claim, where, figures]);
  const held = claims.filter((claim) => claim.holds).length;
  return [
    `## Claims: ${held} of ${claims.length} hold`,
    "",
    ...table(["holds", "claim", "where", "figures"], rows),
    "",
  ];
}

function regimeTables(regime: Regime, cells: readonly Cell[]): string[] {
  const withOther = (row: Row) => row.otherCpuUs.median > 0;
  const added: [string, (row: Row) => string][] = [
    [
      "Added CPU of Envoy (and of the process beside it), µs",
      (row) => bracket(row.addedCpuUs) + (withOther(row) ? ` + ${short(row.otherCpuUs.median)}` : ""),
    ],
    ["Added p50, µs", (row) => bracket(row.addedP50Us)],
    ["Added p99, µs", (row) => bracket(row.addedP99Us)],
  ];
  const out: string[] = [];
  for (const [title, show] of added) {
    out.push(`## ${title}: ${regime}`, "", ...sizeTable(cells, (row) => row.contender !== BASELINE, show), "");
  }
  const absolute = (row: Row) => `${short(row.cpuUs.median)} / ${short(row.p50Us.median)} / ${short(row.p99Us.median)}`;
  out.push(`## No filter: CPU / p50 / p99, µs: ${regime}`, "");
  out.push(...sizeTable(cells, (row) => row.contender === BASELINE, absolute), "");
  return out;
}

/** A row for each text, position and contender; a column for each size. */
function sizeTable(cells: readonly Cell[], wanted: (row: Row) => boolean, show: (row: Row) => string): string[] {
  const sizes = [...new Set(cells.map((cell) => cell.bytes))].sort((a, b) => a - b);
  const rows: string[][] = [];
  for (const text of TEXTS) {
    for (const position of POSITIONS) {
      const group = cells.filter((cell) => cell.text === text && cell.position === position);
      const names = [...new Set(group.flatMap((cell) => cell.rows.filter(wanted).map((row) => row.contender)))];
      for (const name of names) {
        const columns = sizes.map((bytes) => {
          const row = group.find((cell) => cell.bytes === bytes)?.rows.find((one) => one.contender === name);
          return row ? show(row) : "";
        });
        rows.push([text, position, name, ...columns]);
      }
    }
  }
  return table(["text", "model", "contender", ...sizes.map(formatSize)], rows);
}

function bracket(figure: Figure | undefined): string {
  return figure ? `${short(figure.median)} (${short(figure.low)}…${short(figure.high)})` : "";
}

function memoryTable(rows: readonly MemoryRow[]): string[] {
  const first = rows[0];
  if (!first) return [];
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0);
  const lines = rows.map((row) => [
    row.contender,
    mib(row.beforeBytes),
    mib(row.heldBytes),
    mib(row.peakBytes),
    mib(row.afterBytes),
    row.otherPeakBytes > 0 ? mib(row.otherPeakBytes) : "",
    row.wasmBytes.map((bytes) => (bytes / 2 ** 20).toFixed(2)).join(", "),
    Object.entries(row.answers)
      .map(([status, count]) => `${count} × ${status}`)
      .join(", "),
  ]);
  const head = [
    "contender",
    "before",
    "all held",
    "peak",
    "after",
    "peak of the process beside",
    "Wasm memories",
    "answers",
  ];
  const title = `## Memory with ${first.bodies} concurrent requests of ${formatSize(first.bodyBytes)}, resident MiB`;
  return [title, "", ...table(head, lines), ""];
}

function idleTable(run: Run): string[] {
  const rows = Object.entries(run.idle).map(([name, rate]) => [
    name,
    short(rate.envoy / 1000),
    rate.other > 0 ? short(rate.other / 1000) : "",
  ]);
  if (rows.length === 0) return [];
  return ["## Idle CPU, µs a second", "", ...table(["contender", "Envoy", "process beside"], rows), ""];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)];
}

/** Undefined if no cell has an added cost. */
function drawRun(run: Run): string | undefined {
  const panels: Panel[] = [];
  for (const regime of REGIMES) {
    for (const text of TEXTS) {
      for (const position of POSITIONS) {
        const cells = run.cells.filter((c) => c.regime === regime && c.text === text && c.position === position);
        const names = [...new Set(cells.flatMap((cell) => cell.rows.map((row) => row.contender)))];
        const lines = names
          .filter((name) => name !== BASELINE)
          .map((name) => ({ name, points: cells.flatMap((cell) => point(cell, name)) }));
        if (lines.some((line) => line.points.length > 0))
          panels.push({ title: `${TEXT_TITLES[text]}, model ${position}, ${regime}`, lines });
      }
    }
  }
  if (panels.length === 0) return undefined;
  return plot(panels, {
    title: "Added Envoy CPU per request: model to header",
    subtitle: `${run.machine.cores} × ${run.machine.cpu}, ${run.date.slice(0, 10)}; medians, bars from lowest to highest repetition; 1 µs and less on the floor`,
    xLabel: "body size",
    yLabel: "added µs of Envoy CPU",
    formatX: formatSize,
    floorY: 1,
  });
}

function point(cell: Cell, name: string) {
  const figure = cell.rows.find((row) => row.contender === name)?.addedCpuUs;
  return figure ? [{ x: cell.bytes, y: figure.median, low: figure.low, high: figure.high }] : [];
}
