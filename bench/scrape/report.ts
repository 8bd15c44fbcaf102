// Writes a run as Markdown (tables, also on standard output), JSON (all windows) and SVG (p99 of chunks by gateways).
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../../testkit/machine.ts";
import { type Figure, short } from "../../testkit/statistics.ts";
import { plot } from "../../testkit/svg.ts";
import { markdownTable } from "../sim/report.ts";
import { CONTENDERS, LOAD_TITLES, TITLES } from "./contenders.ts";
import type { Window } from "./measure.ts";
import { claimsOf, type Row, type Table, tablesOf } from "./summary.ts";

interface Run {
  date: string;
  machine: Machine;
  repetitions: number;
  seconds: number;
  warmSeconds: number;
  streams: number;
  everyMs: number;
  multiprocess: boolean;
  wasm: string;
  notes: readonly string[];
  windows: readonly Window[];
}

const HEAD = [
  "contender",
  "whole pages/s",
  "restricted/s",
  "kB/s",
  "server, % of a core",
  "added, %",
  "chunks p50, ms",
  "p99, ms",
  "added p99, ms",
  "loop's p99, ms",
  "scrapers, % of a core",
];

/** The median, with the lowest and the highest repetition. */
const spread = (one: Figure | null): string =>
  one === null ? "–" : `${signed(one.median)} (${signed(one.low)} to ${signed(one.high)})`;
const signed = (value: number): string => value.toFixed(2);

function cells(row: Row): string[] {
  return [
    row.contender,
    ...[row.wholePerSecond, row.restrictedPerSecond, row.kilobytesPerSecond].map(({ median }) => short(median)),
    ...[row.server, row.addedCpu, row.p50, row.p99, row.addedP99, row.sentP99].map(spread),
    signed(row.scrapers.median),
  ];
}

function tableText({ load, gateways, rows }: Table): string {
  const title = `## ${load}: ${LOAD_TITLES[load]}; ${gateways} gateway${gateways === 1 ? "" : "s"}`;
  return `${title}\n\n${markdownTable(HEAD, rows.map(cells))}\n`;
}

export function markdown(run: Run): string {
  const { machine } = run;
  const tables = tablesOf(run.windows);
  return [
    `# What scraping costs a Python server with vLLM 0.32's metrics, ${run.date.slice(0, 10)}`,
    "",
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}; load at the start ${machine.loadBefore}. Node ${machine.node}, pilotfish.wasm ${run.wasm}.`,
    `${run.repetitions} repetitions of ${run.seconds} s for each contender, in turn; ${run.warmSeconds} s of warm-up, all processes new each time.`,
    `${run.streams} streams, each with a chunk every ${run.everyMs} ms, through real Envoys with the filter. The server has a core of its own.`,
    ...(run.multiprocess ? ["The server keeps its metrics in files, as with several API server processes."] : []),
    "A chunk's delay is the time from its schedule until the client has it; the loop's delay is the time until the server sends it.",
    "Figures are medians of the repetitions (lowest to highest); what is added is compared with no scraping.",
    ...run.notes,
    "",
    ...CONTENDERS.filter((name) => run.windows.some(({ contender }) => contender === name)).map(
      (name) => `- ${name}: ${TITLES[name]}`,
    ),
    "",
    ...tables.map(tableText),
    ...claimsOf(tables).map(({ text, held }) => `- ${held ? "held" : "MISSED"}: ${text}`),
    "",
  ].join("\n");
}

/** A panel for each load with streams; undefined: no load had streams. */
function drawing(run: Run): string | undefined {
  const tables = tablesOf(run.windows);
  const loads = [...new Set(tables.filter(({ rows }) => rows.some(({ p99 }) => p99 !== null)).map(({ load }) => load))];
  if (loads.length === 0) return undefined;
  const panels = loads.map((load) => ({
    title: LOAD_TITLES[load],
    lines: CONTENDERS.map((name) => ({
      name,
      points: tables.flatMap((table) => {
        const p99 = table.load === load ? table.rows.find((row) => row.contender === name)?.p99 : undefined;
        return p99 ? [{ x: table.gateways, y: p99.median, low: p99.low, high: p99.high }] : [];
      }),
    })).filter(({ points }) => points.length > 0),
  }));
  return plot(panels, {
    title: "p99 of the delay of streamed chunks",
    subtitle: `${run.repetitions} repetitions of ${run.seconds} s, ${run.streams} streams, ${run.date.slice(0, 10)}`,
    xLabel: "gateways",
    yLabel: "ms",
    formatX: (x) => String(x),
    floorY: 0.1,
  });
}

/** Writes scrape-<date>.json, .md and .svg. */
export async function writeReport(
  run: Run,
  folder: string,
): Promise<{ text: string; missed: boolean; files: string[] }> {
  await mkdir(folder, { recursive: true });
  const name = join(folder, `scrape-${run.date.slice(0, 16).replaceAll(":", "")}`);
  const text = markdown(run);
  const svg = drawing(run);
  const written: [string, string][] = [
    [`${name}.json`, `${JSON.stringify(run, null, 1)}\n`],
    [`${name}.md`, text],
    ...(svg === undefined ? [] : [[`${name}.svg`, svg] as [string, string]]),
  ];
  for (const [file, content] of written) await writeFile(file, content);
  const missed = claimsOf(tablesOf(run.windows)).some(({ held }) => !held);
  return { text, missed, files: written.map(([file]) => file) };
}
