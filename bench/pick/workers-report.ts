// The table of `make bench-pick ARGS="--workers ..."`, and its files in the folder of results.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../../testkit/machine.ts";
import { type Figure, figure, median, quantile } from "../../testkit/statistics.ts";
import type { Case, Result, Start } from "./workers.ts";

export interface WorkersRun {
  date: string;
  machine: Machine;
  versions: Readonly<Record<string, string>>;
  starts: number;
  rounds: number;
  requests: number;
  results: readonly Result[];
}

/** The most CPU that a request may cost more than before, µs. */
function limitOf(workers: number): number {
  return workers === 1 ? 0 : workers <= 2 ? 3 : 6;
}

/** Writes workers-<date>.json and .md. Returns their paths. */
export async function writeWorkersReport(run: WorkersRun, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const name = `workers-${run.date.slice(0, 16).replaceAll(":", "")}`;
  const files: [string, string][] = [
    [`${name}.json`, `${JSON.stringify(run, null, 1)}\n`],
    [`${name}.md`, workersTable(run)],
  ];
  for (const [file, content] of files) await writeFile(join(folder, file), content);
  return files.map(([file]) => join(folder, file));
}

export function workersTable({ date, machine, versions, starts, rounds, requests, results }: WorkersRun): string {
  const lines = [
    `# Workers: cost per request beside the build before, ${date.slice(0, 10)}`,
    "",
    `${machine.cores} × ${machine.cpu}, ${machine.kernel}; load at the start ${machine.loadBefore}. ${Object.entries(
      versions,
    )
      .map(([what, version]) => `${what} ${version}`)
      .join(", ")}, Node ${machine.node}.`,
    `µs of the CPU of Envoy's process for each request: ${starts} pairs of gateways, ${rounds} interleaved rounds of ${requests} requests.`,
    "A pair's figure is the median of its rounds. A table's figure is the median of the pairs, in brackets the lowest and the highest pair.",
    '"Half of the rounds" is the middle half of the differences between the two builds in a round.',
    "",
    "| workers | profile | pods | prompt | answer | before | now | more | half of the rounds | requests/s |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...results.map(rowOf),
    "",
    "| workers | pods | answer | more, mean ± standard error of the pairs | median of the pairs | at most |",
    "| --- | --- | --- | --- | --- | --- |",
    ...summaryOf(results),
  ];
  return `${lines.join("\n")}\n`;
}

function rowOf(result: Result): string {
  const { workers, profile, pods, promptBytes, starts } = result;
  const rounds = starts.flatMap(differences);
  const half = [0.25, 0.75].map((q) => signed(quantile(rounds, q))).join("…");
  const of = (each: (start: Start) => number) => median(starts.map(each));
  const cells = [workers, profile, pods, `${promptBytes / 1024} KiB`, answerOf(result)];
  const figures = [of(({ before }) => median(before)).toFixed(1), of(({ now }) => median(now)).toFixed(1)];
  return `| ${[...cells, ...figures, bracket(moreOf(result)), half, Math.round(of(({ rate }) => rate))].join(" | ")} |`;
}

/** A row for each number of workers and pods, and each kind of answer: means over profiles and prompts, pair by pair. */
function summaryOf(results: readonly Result[]): string[] {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const name = `${result.workers} | ${result.pods} | ${answerOf(result)}`;
    groups.set(name, [...(groups.get(name) ?? []), result]);
  }
  return [...groups].map(([name, rows]) => {
    const [{ workers, starts }] = rows as [Result];
    const means = starts.map((_, i) => mean(rows.map((row) => median(differences(row.starts[i] as Start)))));
    const error = Math.sqrt(mean(means.map((one) => (one - mean(means)) ** 2)) / Math.max(1, means.length - 1));
    return `| ${name} | ${signed(mean(means))} ± ${error.toFixed(1)} | ${bracket(figure(means))} | ${limitOf(workers)} |`;
  });
}

function moreOf({ starts }: Result): Figure {
  return figure(starts.map((start) => median(differences(start))));
}

function differences({ now, before }: Start): number[] {
  return now.map((value, i) => value - (before[i] as number));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

function bracket({ median, low, high }: Figure): string {
  return `${signed(median)} (${signed(low)}…${signed(high)})`;
}

function answerOf({ streamed }: Case): string {
  return streamed ? "streamed" : "whole";
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(1)}`;
}
