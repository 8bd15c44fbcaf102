// make bench-body: what it costs to get the model of a body into a header, for every way to do it in one Envoy binary.

import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Found, findEnvoy } from "../../envoy/binary.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { checkSchedstat } from "../../testkit/cpu.ts";
import { fileHash } from "../../testkit/machine.ts";
import { BBR_VERSION, buildBbr, PeerError, type RunningBbr, startBbr } from "../../testkit/peers/bbr.ts";
import { isIsolated, namespaceCommand, runIsolated } from "../../testkit/peers/isolate.ts";
import { CONTENDER_NAMES } from "./contenders.ts";
import { REGIMES, type Regime } from "./measure.ts";
import { writeReport } from "./report.ts";
import { runBench } from "./run.ts";
import { parseSize } from "./sizes.ts";
import { TEXTS, type Text } from "./texts.ts";

export interface Options {
  full?: boolean;
  sizes?: number[];
  texts?: Text[];
  only?: string[];
  repetitions?: number;
  connections: number;
  regimes: Regime[];
  memory: boolean;
  wasm: string;
  before?: string;
  output: string;
  seed: number;
}

const progress = (line: string) => void process.stderr.write(`${line}\n`);

function list<T extends string>(known: readonly T[], option: string): (given: string) => T[] {
  return (given) =>
    given.split(",").map((name) => {
      const found = known.find((one) => one === name.trim());
      if (!found) throw new InvalidArgumentError(`${option}: "${name}" given, expected some of ${known.join(",")}`);
      return found;
    });
}

function sizes(given: string): number[] {
  try {
    return given.split(",").map(parseSize);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function integer(least: number, most: number): (given: string) => number {
  return (given) => {
    const value = Number(given);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`"${given}" given, a whole number from ${least} to ${most} is expected`);
    return value;
  };
}

const command = new Command("bench-body")
  .description("Cost of getting the model of a body into a header: Pilotfish and every other way, in one Envoy binary")
  .addOption(
    new Option(
      "--full",
      "every size, text and contender, many repetitions (about 45 minutes on an idle machine)",
    ).conflicts("quick"),
  )
  .addOption(new Option("--quick", "1k, 128k and 1m of ASCII prompts, few repetitions (the default)"))
  .option("--sizes <list>", "body sizes, like 512,1k,16k,1m", sizes)
  .option("--texts <list>", `some of ${TEXTS.join(",")}`, list(TEXTS, "--texts"))
  .option("--only <list>", `some of ${CONTENDER_NAMES.join(",")}; none always runs`, list(CONTENDER_NAMES, "--only"))
  .option("--repetitions <n>", "interleaved repetitions (full: 9 back to back, 5 spaced; quick: 3)", integer(1, 1000))
  .option("--connections <n>", "connections that CPU is taken with, back to back", integer(1, 64), 4)
  .option("--regimes <list>", `some of ${REGIMES.join(",")}`, list(REGIMES, "--regimes"), [...REGIMES])
  .addOption(new Option("--spaced", "only spaced, one request every 20 ms").implies({ regimes: ["spaced"] }))
  .option("--no-memory", "leave out the memory with 64 concurrent bodies of 8 MiB")
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--before <file>", "another build of the filter, measured beside it: what did a change do?")
  .option("--seed <n>", "seed of the bodies", integer(0, 2 ** 31), 1)
  .option("--output <folder>", "where the results are written", "bench/results");

async function prepareBbr(options: Options): Promise<{ path?: string; why?: string }> {
  if (options.only && !options.only.includes("bbr")) return { why: "bbr: not among --only" };
  try {
    return { path: await buildBbr(progress) };
  } catch (error) {
    if (error instanceof PeerError && error.code === "PEER_NO_GO") return { why: `bbr: ${error.message}` };
    throw error;
  }
}

async function keep(file: string, copy: string, option: string, hint: string): Promise<string> {
  await copyFile(file, copy).catch((error: unknown) => {
    throw new Error(`${option}: ${file} cannot be read, ${hint}`, { cause: error });
  });
  return copy;
}

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  checkSchedstat();
  const found = await findEnvoy({ runtime: "binary", version: DEFAULT_VERSION, progress });
  if (found.kind !== "binary") throw new Error("an Envoy binary is needed: the bench reads its CPU time from /proc");
  const bbr = await prepareBbr(options);
  const notes: string[] = [];
  if (bbr.path && !isIsolated()) {
    const namespace = namespaceCommand();
    // What was fetched and built above needed the network; from here on there is loopback only.
    if (namespace) return runIsolated(namespace, { ENVOY_BIN: found.path });
    progress("no network namespace can be made here: BBR listens on every interface of this machine while this runs");
    notes.push("No network namespace could be made: BBR listened on every interface.");
  } else if (bbr.path) {
    notes.push("Envoy, BBR, upstream and client share a network namespace with loopback only.");
  }
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  let running: RunningBbr | undefined;
  try {
    // A build during the run must not change what is measured.
    const wasmFile = await keep(options.wasm, join(folder, "pilotfish.wasm"), "--wasm", "run make build first");
    const before =
      options.before &&
      (await keep(options.before, join(folder, "before.wasm"), "--before", "expected a pilotfish.wasm"));
    if (bbr.path) running = await startBbr(bbr.path, folder);
    const run = await runBench({
      options,
      found: found satisfies Found,
      wasmFile,
      before,
      bbr: running,
      versions: {
        Envoy: found.version,
        "pilotfish.wasm": await fileHash(wasmFile),
        ...(before ? { "before.wasm": await fileHash(before) } : {}),
        ...(running ? { BBR: BBR_VERSION } : {}),
      },
      skipped: bbr.why ? [bbr.why] : [],
      notes,
      progress,
    });
    const files = await writeReport(run.result, options.output);
    console.log(run.text);
    progress(`written: ${files.join(", ")}`);
    const failed = run.result.claims.filter((claim) => !claim.holds).length;
    if (failed > 0) progress(`${failed} of ${run.result.claims.length} claims do not hold, see the first table`);
    return 0;
  } finally {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
