// One run: starts an Envoy for each contender, measures cell after cell, and then measures memory.

import { setTimeout as sleep } from "node:timers/promises";
import type { Found } from "../../envoy/binary.ts";
import { describeMachine } from "../../testkit/machine.ts";
import type { RunningPeer } from "../../testkit/peers/spawn-peer.ts";
import { type Body, makeBodies } from "./bodies.ts";
import { prepare } from "./client.ts";
import { BASELINE, BEFORE, type Contender, contenders } from "./contenders.ts";
import { floorTakes } from "./floor.ts";
import { measureCell, measureIdle, type Pool } from "./measure.ts";
import { type MemoryRow, measureMemory } from "./memory.ts";
import type { Options } from "./options.ts";
import { cellsOf, MEMORY_BODIES, MEMORY_BODY_BYTES, planOf, poolSize } from "./plan.ts";
import { markdown, type Run } from "./report.ts";
import { MODELS, type Runner, refresh, type SetupOptions, startRunner, startUpstream } from "./setup.ts";
import { formatSize } from "./sizes.ts";
import { type Cell, checkClaims, summarize } from "./summary.ts";

interface BenchOptions {
  options: Options;
  found: Found;
  wasmFile: string;
  /** Another build of the filter for comparison. */
  before: string | undefined;
  bbr: RunningPeer | undefined;
  versions: Readonly<Record<string, string>>;
  skipped: readonly string[];
  notes: readonly string[];
  progress: (line: string) => void;
}

const IDLE_SECONDS = 2;
/** After its start and after a snapshot an Envoy has more to do for a while. */
const SETTLE_SECONDS = 2;

export async function runBench(bench: BenchOptions): Promise<{ result: Run; text: string }> {
  const { options, progress } = bench;
  const machine = await describeMachine();
  if (machine.loadBefore > 0.3)
    progress(`the machine is busy (load ${machine.loadBefore}): the figures are less reliable`);
  const wanted = contenders(bench.bbr?.port, bench.before).filter(
    ({ name }) => name === BASELINE || name === BEFORE || !options.only || options.only.includes(name),
  );
  const skipped = [...bench.skipped];
  const upstream = await startUpstream();
  const setup: SetupOptions = { found: bench.found, upstream, wasmFile: bench.wasmFile, bbrPid: bench.bbr?.pid };
  const runners: Runner[] = [];
  const cells: Cell[] = [];
  const memory: MemoryRow[] = [];
  let idle = new Map();
  try {
    for (const contender of wanted) {
      const runner = await startOrSkip(contender, setup, skipped);
      if (runner) runners.push(runner);
    }
    await sleep(SETTLE_SECONDS * 1000);
    idle = await measureIdle(runners, IDLE_SECONDS);
    const full = options.full === true;
    const all = cellsOf({ full, sizes: options.sizes, texts: options.texts, regimes: options.regimes });
    for (const [i, { kind, regime }] of all.entries()) {
      const repetitions = options.repetitions ?? (full ? (regime === "spaced" ? 5 : 9) : 3);
      const plan = planOf(kind.bytes, regime, full, repetitions, options.connections);
      const size = `${formatSize(kind.bytes)}, ${kind.text}, model ${kind.position}`;
      progress(`${i + 1}/${all.length}: ${size}, ${regime}`);
      const pool = pools(makeBodies(kind, poolSize(kind.bytes, plan), MODELS, options.seed + i));
      for (const runner of runners) await refresh(runner, upstream);
      const takers = runners.filter(({ contender }) => !contender.floor || floorTakes(kind));
      const { series, failed } = await measureCell(takers, pool, plan, idle);
      skipped.push(...failed.map((line) => `${line} (${size}, ${regime})`));
      cells.push(summarize(kind, plan, series));
    }
    for (const runner of runners.splice(0)) await runner.envoy.close();
    for (const contender of options.memory ? wanted.filter(({ floor }) => !floor) : []) {
      const row = await memoryOf(contender, setup, skipped, bench);
      if (row) memory.push(row);
    }
  } finally {
    for (const runner of runners) await runner.envoy.close();
    upstream.stop();
  }
  const result: Run = {
    date: new Date().toISOString(),
    mode: options.full ? "full" : "quick",
    machine,
    versions: bench.versions,
    contenders: wanted.map(({ name, title }) => ({ name, title })),
    skipped,
    notes: bench.notes,
    repetitions: options.repetitions ?? (options.full ? 9 : 3),
    connections: options.connections,
    idle: Object.fromEntries(idle),
    cells,
    memory,
    claims: checkClaims(cells, memory),
  };
  return { result, text: markdown(result) };
}

/** Starts a contender. A peer whose extension this Envoy lacks is left out, with Envoy's message as the reason. */
async function startOrSkip(contender: Contender, setup: SetupOptions, skipped: string[]): Promise<Runner | undefined> {
  try {
    return await startRunner(contender, setup);
  } catch (error) {
    if (contender.pilotfish || contender.name === BASELINE) throw error;
    const line = `${contender.name}: ${error instanceof Error ? error.message : error}`;
    if (!skipped.includes(line)) skipped.push(line);
    return undefined;
  }
}

/** The same bodies for every contender. Only the client of the baseline sends the model header. */
function pools(bodies: readonly Body[]): Pool {
  const named = bodies.map((body) => prepare(body, true));
  const plain = bodies.map((body) => prepare(body, false));
  return (runner) => (runner.contender.clientNamesModel ? named : plain);
}

async function memoryOf(
  contender: Contender,
  setup: SetupOptions,
  skipped: string[],
  { options, progress }: BenchOptions,
): Promise<MemoryRow | undefined> {
  progress(`memory: ${contender.name}`);
  const runner = await startOrSkip(contender, setup, skipped);
  if (!runner) return undefined;
  try {
    const kind = { text: "ascii", position: "last" } as const;
    const small = makeBodies({ ...kind, bytes: 1024 }, 1, MODELS, options.seed)[0] as Body;
    const large = makeBodies({ ...kind, bytes: MEMORY_BODY_BYTES }, 4, MODELS, options.seed);
    const named = contender.clientNamesModel === true;
    const prepared = large.map((body) => prepare(body, named));
    return await measureMemory(runner, prepare(small, named), prepared, MEMORY_BODY_BYTES, MEMORY_BODIES);
  } finally {
    await runner.envoy.close();
  }
}
