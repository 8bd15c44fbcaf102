// Writes a run as JSON (all figures) and Markdown (tables, also on standard output).
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../../testkit/machine.ts";
import type { Case } from "./cases.ts";
import type { PeerWindow } from "./endpoint-picker.ts";
import type { FaultResult } from "./faults.ts";
import { type MemoryPoint, type Spread, TICK_MS, type Window } from "./measure.ts";

export interface Result {
  case: Case;
  window: Window;
  peer?: PeerWindow | undefined;
}

interface Run {
  machine: Machine;
  results: readonly Result[];
  memory?: readonly MemoryPoint[] | undefined;
  faults?: readonly FaultResult[] | undefined;
  seconds: number;
  notes: readonly string[];
}

/** If memory in the last quarter of a run exceeds the second quarter by more than this, memory counts as growing. */
const FLAT_MIB = 16;
/** The target for the age of readings of the other pods. */
const MAX_OTHERS_MS = 150;

const ms = (spread: Spread) => `${Math.round(spread.p50)} / ${Math.round(spread.p99)} / ${Math.round(spread.max)}`;
const share = (value: number) => value.toFixed(2);

interface Claim {
  text: string;
  held: boolean;
}

function claimsOf({ results, memory, faults = [] }: Pick<Run, "results" | "memory" | "faults">): Claim[] {
  const claims: Claim[] = [];
  for (const { case: plan, window } of results) {
    const { sidecar, age } = plan.atMost;
    if (!Number.isFinite(sidecar)) continue;
    claims.push({
      text: `${plan.name}: ${share(window.sidecar)} of one core, the target is at most ${sidecar}`,
      held: window.sidecar <= sidecar,
    });
    // A worker may use a snapshot for one tick after a newer one arrived.
    const p99 = window[plan.of].p99 + TICK_MS;
    const what = plan.of === "real" ? "a reading" : "a snapshot";
    claims.push({
      text: `${plan.name}: 99 of 100 times ${what} was less than ${Math.round(p99)} ms old at the filter, the target is ${age}`,
      held: p99 < age,
    });
  }
  for (const { what, statedMs, seenMs, others } of faults) {
    const age = others.p99 + TICK_MS;
    claims.push({
      text: `a pod of 100 ${what}: known at the filter after ${Math.round(seenMs)} ms, the stated bound is ${statedMs}; of the others 99 of 100 readings were less than ${Math.round(age)} ms old`,
      held: seenMs + TICK_MS <= statedMs && age < MAX_OTHERS_MS,
    });
  }
  if (memory !== undefined && memory.length >= 8) {
    const { early, late } = ends(memory);
    claims.push({
      text: `memory over ${memory.at(-1)?.seconds} s: ${early.toFixed(0)} MiB at most in the second quarter, ${late.toFixed(0)} MiB in the last`,
      held: late - early < FLAT_MIB,
    });
  }
  return claims;
}

/** The maximum of the second quarter, when everything is warm, and of the last quarter. */
function ends(memory: readonly MemoryPoint[]): { early: number; late: number } {
  const most = (from: number, to: number) =>
    Math.max(...memory.slice(Math.floor(from * memory.length), Math.floor(to * memory.length)).map((p) => p.rssMiB));
  return { early: most(0.25, 0.5), late: most(0.75, 1) };
}

function markdown(run: Run): string {
  const { machine, results, memory, faults } = run;
  const out = [
    `# The sidecar at scale, ${new Date().toISOString().slice(0, 10)}`,
    "",
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}; load at the start ${machine.loadBefore}. Node ${machine.node}.`,
    "Pods, Envoy (one worker, the release wasm) and sidecar are processes of their own on one machine; a pod's answer is a capture of",
    "vLLM 0.32 under load, 54,528 bytes; pods that honour name[] answer with less. CPU is the scheduler's sum over all of a process' threads, as a share of one core.",
    `Ages are read back from the filter at random moments; a pick may see a snapshot up to ${TICK_MS} ms later (a worker's tick),`,
    'which the claims add. "Real" is the time since the pod wrote the answer, by a number in the answer; "stated" is the age that the',
    "snapshot states. Ages are p50 / p99 / maximum in ms. The endpoint picker scrapes the same pods after the sidecar has ended.",
    ...run.notes,
    "",
  ];
  if (results.length > 0) {
    out.push(
      `| ${run.seconds} s each | sidecar, cores | MiB | snapshot's age | stated | real | readings | endpoint picker 1.5.0, cores |`,
      "| --- | --- | --- | --- | --- | --- | --- | --- |",
    );
  }
  for (const { case: plan, window, peer } of results) {
    const real = plan.gzip ? "" : ms(window.real);
    const beside = peer === undefined ? "" : `${share(peer.cores)} (${peer.scrapesPerSecond.toFixed(0)} scrapes/s)`;
    out.push(
      `| ${plan.name} | ${share(window.sidecar)} (${window.scrapesPerSecond.toFixed(0)} scrapes/s, ${window.restrictedPerSecond.toFixed(0)} restricted) | ${window.rssMiB.toFixed(0)} | ${ms(window.snapshot)} | ${ms(window.claimed)} | ${real} | ${window.reads * plan.pods} | ${beside} |`,
    );
  }
  if (faults !== undefined) {
    out.push(
      "",
      "| one pod of 100 at 50 ms | known after, ms | stated | ages of the others |",
      "| --- | --- | --- | --- |",
    );
    for (const { what, seenMs, statedMs, others } of faults) {
      out.push(`| ${what} | ${Math.round(seenMs)} | ${statedMs} | ${ms(others)} |`);
    }
  }
  if (memory !== undefined) {
    const step = Math.max(1, Math.floor(memory.length / 12));
    out.push("", "| seconds | resident MiB |", "| --- | --- |");
    for (const [i, point] of memory.entries()) {
      if (i % step === 0 || i === memory.length - 1) out.push(`| ${point.seconds} | ${point.rssMiB.toFixed(0)} |`);
    }
  }
  out.push("");
  for (const { text, held } of claimsOf(run)) out.push(`- ${held ? "held" : "MISSED"}: ${text}`);
  return `${out.join("\n")}\n`;
}

export async function writeReport(
  run: Run,
  folder: string,
): Promise<{ text: string; missed: boolean; files: string[] }> {
  await mkdir(folder, { recursive: true });
  const text = markdown(run);
  const kind = run.memory === undefined ? "sidecar" : "sidecar-memory";
  const name = `${kind}-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}`;
  const files = [join(folder, `${name}.json`), join(folder, `${name}.md`)] as const;
  await writeFile(files[0], `${JSON.stringify(run, null, 1)}\n`);
  await writeFile(files[1], text);
  return { text, missed: claimsOf(run).some(({ held }) => !held), files: [...files] };
}
