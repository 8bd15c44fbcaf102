// `make bench-routing` measures the time to first token with each way to pick a pod, on real Envoys over simulated pods.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine, fileHash } from "../../testkit/machine.ts";
import { copyModule, exitWith, findLocalEnvoy, isolate, progress } from "../prepare.ts";
import { claimsOf } from "./claims.ts";
import { contenderNamed, missing, type RoutingContender } from "./contenders.ts";
import { rowOf } from "./figures.ts";
import { Lane, type Seen } from "./lane.ts";
import { type RoutingLoad, requestsOf } from "./loads.ts";
import { isDisturbed } from "./machine-watch.ts";
import { chosenLoads, type RoutingOptions, readOptions } from "./options.ts";
import { type Cell, cellTable, claimTable, type RoutingRun, writeReport } from "./report.ts";

const UNDISTURBED = { busy: 0, foreign: 0 };

interface Repetition {
  load: RoutingLoad;
  seed: number;
  /** Rotates the order of the contenders. */
  turn: number;
  lanes: readonly Lane[];
  /** How often a group of contenders runs again that the machine disturbed. */
  retries: number;
  /** Gets the reason of each contender that fails. */
  failed: Map<string, string>;
}

/** Runs every contender once, `lanes.length` at a time. A contender that fails is not in the result. */
async function repeat(contenders: readonly RoutingContender[], given: Repetition): Promise<Map<string, Seen>> {
  const { turn, lanes, retries } = given;
  const seen = new Map<string, Seen>();
  const order = contenders.map((_, i) => contenders[(i + turn) % contenders.length] as RoutingContender);
  for (let from = 0; from < order.length; from += lanes.length) {
    const group = order.slice(from, from + lanes.length);
    progress(`  ${group.map(({ name }) => name).join(", ")}`);
    for (let left = retries; ; left--) {
      await together(group, given, seen);
      const disturbed = group.some(({ name }) => isDisturbed(seen.get(name)?.machine ?? UNDISTURBED));
      if (!disturbed || left === 0) break;
      progress(`  disturbed; ${left} tries left`);
    }
  }
  return seen;
}

/** Runs each contender of a group in a lane of its own, at the same time. */
async function together(
  group: readonly RoutingContender[],
  { load, seed, lanes, failed }: Repetition,
  seen: Map<string, Seen>,
): Promise<void> {
  const apart = load.burstMs === undefined ? 0 : load.burstMs / lanes.length;
  await Promise.all(
    group.map(async (contender, i) => {
      const { name } = contender;
      try {
        seen.set(name, await (lanes[i] as Lane).run(contender, load, seed, i * apart));
        failed.delete(name);
      } catch (error) {
        failed.set(name, `failed: ${name} under ${load.name}: ${error}`);
      }
    }),
  );
}

/** Measures every load. `notes` gets the contenders that failed. */
async function measure(
  options: RoutingOptions,
  contenders: readonly RoutingContender[],
  lanes: readonly Lane[],
  notes: string[],
): Promise<Cell[]> {
  const cells: Cell[] = [];
  // A load that cannot be made ends the bench here, before anything has run.
  const arrivals = chosenLoads(options).map((load) => {
    const { title, perSecond, requests } = requestsOf(load, options.seed);
    return { load, title, perSecond, seconds: requests.length / perSecond };
  });
  for (const arrival of arrivals) {
    const { load } = arrival;
    const failed = new Map<string, string>();
    const all = new Map<string, Seen[]>(contenders.map(({ name }) => [name, []]));
    for (let i = 0; i < options.repetitions; i++) {
      progress(`${load.name}: repetition ${i + 1} of ${options.repetitions}`);
      const able = contenders.filter(({ name }) => !failed.has(name));
      const given = { load, seed: options.seed + i, turn: i, lanes, retries: options.retries, failed };
      for (const [name, seen] of await repeat(able, given)) all.get(name)?.push(seen);
    }
    for (const [name, why] of failed) {
      all.delete(name);
      notes.push(why);
      progress(why);
    }
    const cell = { ...arrival, rows: [...all].map(([name, seen]) => rowOf(name, seen, load)) };
    cells.push(cell);
    console.log(cellTable(cell));
  }
  return cells;
}

async function main(): Promise<number> {
  const options = readOptions();
  const found = await findLocalEnvoy();
  const wanted = options.contenders.flatMap((name) => contenderNamed(name) ?? []);
  const why = await Promise.all(wanted.map((one) => missing(one, options.pods === "mocker")));
  const contenders = wanted.filter((_, i) => why[i] === undefined);
  const notes = why.filter((one) => one !== undefined);
  if (contenders.length === 0) throw new Error(`no contender can run here\n${notes.join("\n")}`);
  if (options.pods === "mocker" || contenders.some(({ picker, router }) => picker || router)) {
    const isolation = isolate(found);
    if ("status" in isolation) return isolation.status;
    if (!isolation.isolated) notes.push("No network namespace could be made: peers listened on every interface.");
  }
  for (const note of notes) progress(note);
  const began = performance.now();
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-routing-"));
  const lanes: Lane[] = [];
  try {
    const wasmFile = await copyModule(options.wasm, join(folder, "pilotfish.wasm"), "--wasm");
    const count = Math.min(options.lanes, contenders.length);
    for (let i = 0; i < count; i++) lanes.push(new Lane({ found, wasmFile, workers: options.concurrency }));
    const cells = await measure(options, contenders, lanes, notes);
    const { repetitions, seed, concurrency, tokenBytes, pods, hardware = ["as-assumed"] } = options;
    const run: RoutingRun = {
      date: new Date().toISOString(),
      machine,
      versions: { Envoy: found.version, "pilotfish.wasm": await fileHash(wasmFile) },
      setting: { repetitions, seed, lanes: count, concurrency, tokenBytes, pods, hardware },
      seconds: (performance.now() - began) / 1000,
      contenders: contenders.map(({ name, title }) => ({ name, title })),
      notes,
      cells,
      claims: cells.flatMap(({ load, rows }) => claimsOf(load, rows)),
    };
    console.log(claimTable(run.claims).join("\n"));
    progress(`written: ${(await writeReport(run, options.output)).join(", ")}`);
    return 0;
  } finally {
    for (const lane of lanes) lane.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await exitWith(main);
