// `make bench-routing` measures the time to first token with each way to pick a pod, on real Envoys over simulated pods.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describeMachine, fileHash } from "../../testkit/machine.ts";
import { EPP } from "../../testkit/peers/go-peers.ts";
import { copyModule, exitWith, findLocalEnvoy, isolate, peerOrWhy, progress, someOf, wholeNumber } from "../prepare.ts";
import { claimsOf } from "./claims.ts";
import { CONTENDER_NAMES, CONTENDERS, type RoutingContender } from "./contenders.ts";
import { rowOf } from "./figures.ts";
import { Lane, type Seen } from "./lane.ts";
import { ROUTING_LOAD_NAMES, ROUTING_LOADS, type RoutingLoad, requestsOf } from "./loads.ts";
import { type Cell, cellTable, claimTable, type RoutingRun, writeReport } from "./report.ts";

interface Options {
  loads: string[];
  contenders: string[];
  repetitions: number;
  lanes: number;
  seed: number;
  seconds?: number;
  wasm: string;
  output: string;
}

const command = new Command("bench-routing")
  .description("Time to first token with each way to pick a pod: real Envoys, simulated vLLM pods, open-loop arrivals")
  .option("--loads <list>", `some of ${ROUTING_LOAD_NAMES.join(",")}`, someOf(ROUTING_LOAD_NAMES), ROUTING_LOAD_NAMES)
  .option("--contenders <list>", `some of ${CONTENDER_NAMES.join(",")}`, someOf(CONTENDER_NAMES), CONTENDER_NAMES)
  .option("--repetitions <n>", "each with new requests, which are the same for all contenders", wholeNumber(1, 100), 1)
  .option(
    "--lanes <n>",
    "contenders that run at the same time, each with its own pods and Envoys",
    wholeNumber(1, 16),
    3,
  )
  .option("--seconds <n>", "duration of the arrivals of each load (default: the load's own)", wholeNumber(5, 3600))
  .option("--seed <n>", "seed of everything", wholeNumber(0, 1_000_000), 1)
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--output <folder>", "folder for the results", "bench/results");

/** Runs every contender once, `lanes.length` at a time. The order rotates with each repetition. */
async function repetition(
  contenders: readonly RoutingContender[],
  load: RoutingLoad,
  seed: number,
  turn: number,
  lanes: readonly Lane[],
): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const order = contenders.map((_, i) => contenders[(i + turn) % contenders.length] as RoutingContender);
  for (let from = 0; from < order.length; from += lanes.length) {
    const group = order.slice(from, from + lanes.length);
    const apart = load.burstMs === undefined ? 0 : load.burstMs / lanes.length;
    const settled = await Promise.allSettled(
      group.map(async (contender, i) => {
        seen.set(contender.name, await (lanes[i] as Lane).run(contender, load, seed, i * apart));
      }),
    );
    const failed = settled.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  }
  return seen;
}

async function measure(options: Options, contenders: readonly RoutingContender[], lanes: readonly Lane[]) {
  const cells: Cell[] = [];
  for (const known of ROUTING_LOADS) {
    if (!options.loads.includes(known.name)) continue;
    const load = options.seconds === undefined ? known : { ...known, seconds: options.seconds };
    const all = new Map<string, Seen[]>(contenders.map(({ name }) => [name, []]));
    for (let i = 0; i < options.repetitions; i++) {
      progress(`${load.name}: repetition ${i + 1} of ${options.repetitions}`);
      for (const [name, seen] of await repetition(contenders, load, options.seed + i, i, lanes))
        all.get(name)?.push(seen);
    }
    const { title, perSecond } = requestsOf(load, options.seed);
    const cell = { load, title, perSecond, rows: [...all].map(([name, seen]) => rowOf(name, seen, load)) };
    cells.push(cell);
    console.log(cellTable(cell));
  }
  return cells;
}

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const found = await findLocalEnvoy();
  const epp = options.contenders.includes(EPP.name) ? await peerOrWhy(EPP) : {};
  const notes = epp.why === undefined ? [] : [epp.why];
  if (epp.path !== undefined) {
    const isolation = isolate(found);
    if ("status" in isolation) return isolation.status;
    if (!isolation.isolated) notes.push("No network namespace could be made: EPP listened on every interface.");
  }
  const began = performance.now();
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-routing-"));
  const lanes: Lane[] = [];
  try {
    const wasmFile = await copyModule(options.wasm, join(folder, "pilotfish.wasm"), "--wasm");
    const contenders = CONTENDERS.filter(({ name, epp: isEpp }) => {
      return options.contenders.includes(name) && (!isEpp || epp.path !== undefined);
    });
    const count = Math.min(options.lanes, contenders.length);
    for (let i = 0; i < count; i++) lanes.push(new Lane({ found, wasmFile, eppPath: epp.path }));
    const cells = await measure(options, contenders, lanes);
    const run: RoutingRun = {
      date: new Date().toISOString(),
      machine,
      versions: {
        Envoy: found.version,
        "pilotfish.wasm": await fileHash(wasmFile),
        ...(epp.path === undefined ? {} : { EPP: EPP.version }),
      },
      repetitions: options.repetitions,
      seed: options.seed,
      lanes: count,
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
