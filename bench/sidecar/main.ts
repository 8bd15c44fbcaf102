// `make bench-sidecar` measures the sidecar's CPU with many pods, and the age of the readings at the filter.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { describeMachine } from "../../testkit/machine.ts";
import { EPP } from "../../testkit/peers/go-peers.ts";
import { copyModule, exitWith, findLocalEnvoy, isolate, peerOrWhy, progress } from "../prepare.ts";
import { CASES, type Case } from "./cases.ts";
import { peerWindow } from "./endpoint-picker.ts";
import { type FaultResult, measureFaults } from "./faults.ts";
import { type MemoryPoint, measure, memoryOver, Reader, warm } from "./measure.ts";
import { type Result, writeReport } from "./report.ts";
import { startStage } from "./stage.ts";

interface Options {
  seconds: number;
  only?: string[];
  memory?: number;
  peer: boolean;
  faults: boolean;
  precedence: boolean;
  wasm: string;
  sidecar: string;
  output: string;
}

function seconds(given: string): number {
  const value = Number(given);
  if (!(value >= 1 && value <= 3600))
    throw new InvalidArgumentError(`"${given}" given, 1 to 3600 seconds are expected`);
  return value;
}

const command = new Command("bench-sidecar")
  .description("CPU of the sidecar, and ages at the filter, with many pods of 55 KB of metrics each")
  .option("--seconds <n>", "how long each case is measured", seconds, 30)
  .option("--only <list>", `some of ${CASES.map((_, i) => i + 1).join(",")}: numbers of the cases`, (text) =>
    text.split(","),
  )
  .option("--memory <n>", "instead of the cases: memory over this many seconds, 100 pods at 50 ms", seconds)
  .option("--no-peer", "leave out the endpoint picker")
  .option("--no-faults", "leave out faults of single pods")
  .option("--precedence", "run pods, Envoy and sidecar with real-time priority, for a machine with other work", false)
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--sidecar <file>", "the compiled sidecar", "build/sidecar/sidecar/main.js")
  .option("--output <folder>", "folder for the results", "bench/results");

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const found = await findLocalEnvoy();
  const { path: peer, why } = options.peer && options.memory === undefined ? await peerOrWhy(EPP) : {};
  const notes = why === undefined ? [] : [why];
  if (peer !== undefined) {
    const isolation = isolate(found);
    if ("status" in isolation) return isolation.status;
    if (!isolation.isolated) notes.push("No network namespace could be made: EPP listened on every interface.");
  }
  if (options.precedence) {
    notes.push("The machine had other work: pods, Envoy, sidecar and reader ran with real-time priority (SCHED_RR).");
  }
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  const results: Result[] = [];
  let memory: MemoryPoint[] | undefined;
  let faults: FaultResult[] | undefined;
  try {
    const wasm = await copyModule(options.wasm, join(folder, "pilotfish.wasm"), "--wasm");
    const how = { found, wasm, sidecar: options.sidecar, precedence: options.precedence };
    const chosen = CASES.filter((_, i) => options.only === undefined || options.only.includes(String(i + 1)));
    for (const one of options.memory === undefined ? chosen : []) {
      progress(`${one.name}: ${options.seconds} s`);
      const stage = await startStage(one, how);
      const reader = new Reader(stage);
      try {
        await warm(reader, one.pods);
        const window = await measure(stage, reader, options.seconds, one.pods > 500 ? 4 : 10);
        // The endpoint picker gets the same pods after the sidecar has ended, because the two would compete for the cores.
        await reader.close();
        await stage.endSidecar();
        const beside = peer === undefined ? undefined : await peerWindow(peer, one, stage, options.seconds);
        results.push({ case: one, window, peer: beside });
      } finally {
        await reader.close();
        await stage.close();
      }
    }
    if (options.memory === undefined && options.faults) {
      progress("faults");
      faults = await measureFaults(CASES[0] as Case, how);
    }
    if (options.memory !== undefined) {
      progress(`memory: ${options.memory} s`);
      memory = await memoryOver(CASES[0] as Case, how, options.memory);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { text, missed, files } = await writeReport(
    { machine, results, memory, faults, notes, seconds: options.seconds },
    options.output,
  );
  process.stdout.write(text);
  progress(files.join("\n"));
  return missed ? 1 : 0;
}

await exitWith(main);
