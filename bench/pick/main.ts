// `make bench-pick` measures the cost of a pick: in Node's V8; with --envoy also in a real Envoy, compared with a model on a single
// pod; with --workers in real Envoys with many workers, compared with another build of the filter.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describeMachine, fileHash } from "../../testkit/machine.ts";
import { copyModule, exitWith, findLocalEnvoy, progress, someOf, wholeNumber } from "../prepare.ts";
import { inEnvoy } from "./envoy.ts";
import { inNode } from "./node.ts";
import { measureWorkers, PROFILES, type Profile } from "./workers.ts";
import { type WorkersRun, workersTable, writeWorkersReport } from "./workers-report.ts";

const numbers = (given: string) => given.split(",").map(wholeNumber(1, 100_000));

interface Options {
  envoy?: boolean;
  workers?: number[];
  before?: string;
  wasm: string;
  pods: number[];
  profiles: Profile[];
  bytes: number[];
  starts: number;
  rounds: number;
  requests: number;
  output?: string;
}

const command = new Command("bench-pick")
  .description("What a pick among 16 and among 1,000 pods costs, by profile and length of the prompt")
  .option("--envoy", "also measure the CPU of a real Envoy; takes some minutes")
  .option(
    "--workers <list>",
    "measure only real Envoys with so many workers, like 1,2,16, beside the build --before",
    numbers,
  )
  .option("--before <file>", "with --workers: the build to compare with")
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--pods <list>", "endpoints of the model", numbers, [16, 1000])
  .option("--profiles <list>", `some of ${PROFILES.join(",")}`, someOf(PROFILES), [...PROFILES])
  .option("--bytes <list>", "bytes of a prompt", numbers, [1024, 8192])
  .option("--starts <n>", "pairs of gateways, one after the other", wholeNumber(1, 1000), 5)
  .option("--rounds <n>", "interleaved rounds of a pair in each case", wholeNumber(3, 1000), 21)
  .option("--requests <n>", "requests of each build in a round", wholeNumber(10, 100_000), 200)
  .option("--output <folder>", "write the figures of --workers into this folder, like bench/results")
  .addHelpText(
    "after",
    `
How to make the build to compare with, here of the main branch:
  git worktree add --detach build/before main && (cd build/before && npm ci && npm run build)
  cp build/before/build/pilotfish.wasm build/before.wasm && git worktree remove --force build/before
and then --before build/before.wasm`,
  );

async function withWorkers(workers: readonly number[], beforeFile: string, options: Options): Promise<void> {
  const found = await findLocalEnvoy();
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  try {
    const now = await copyModule(options.wasm, join(folder, "now.wasm"), "--wasm");
    const before = await copyModule(beforeFile, join(folder, "before.wasm"), "--before");
    const { pods, profiles, bytes, starts, rounds, requests } = options;
    const plan = { workers, pods, profiles, promptBytes: bytes, starts, rounds, requests, found, now, before };
    const results = await measureWorkers(plan, progress);
    const versions = { Envoy: found.version, now: await fileHash(now), before: await fileHash(before) };
    const run: WorkersRun = { date: new Date().toISOString(), machine, versions, starts, rounds, requests, results };
    console.log(workersTable(run));
    if (options.output) progress(`written: ${(await writeWorkersReport(run, options.output)).join(", ")}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const { workers, before } = options;
  if (workers && before) await withWorkers(workers, before, options);
  else if (workers)
    command.error("error: --before is absent, expected the file of a build to compare with, see --help");
  else {
    inNode();
    if (options.envoy) await inEnvoy();
  }
  return 0;
}

await exitWith(main);
