// `make bench-scrape` measures what scraping costs a Python server with vLLM 0.32's libraries and routes: CPU, and delays of streams.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { keepOffLastCore } from "../../testkit/cpu.ts";
import { describeMachine, fileHash } from "../../testkit/machine.ts";
import { EPP } from "../../testkit/peers/go-peers.ts";
import { installPeer, VLLM_METRICS } from "../../testkit/peers/python-peers.ts";
import {
  copyModule,
  exitWith,
  findLocalEnvoy,
  isolate,
  numberFrom,
  peerOrWhy,
  progress,
  someOf,
  wholeNumber,
} from "../prepare.ts";
import { CONTENDERS, type ContenderName, LOADS, type LoadName, type Plan } from "./contenders.ts";
import { measure, type Window } from "./measure.ts";
import { writeReport } from "./report.ts";
import type { Build } from "./stage.ts";

const WASM = "build/pilotfish.wasm";
const SIDECAR = "build/sidecar/sidecar/main.js";

interface Options {
  contenders: ContenderName[];
  loads: LoadName[];
  gateways: number[];
  repetitions: number;
  seconds: number;
  warm: number;
  streams: number;
  every: number;
  before?: string;
  multiprocess: boolean;
  output: string;
}

const gatewayCounts = (given: string) => given.split(",").map((one) => wholeNumber(1, 32)(one));

const command = new Command("bench-scrape")
  .description("CPU of a Python server with vLLM 0.32's metrics, and delays of its streams, by who scrapes it")
  .option("--contenders <list>", `some of ${CONTENDERS.join(",")}`, someOf(CONTENDERS), [...CONTENDERS])
  .option("--loads <list>", `some of ${LOADS.join(",")}`, someOf(LOADS), [...LOADS])
  .option("--gateways <list>", "numbers of gateways, each an Envoy with a sidecar", gatewayCounts, [1, 5])
  .option("--repetitions <n>", "how often each contender is measured", wholeNumber(1, 100), 3)
  .option("--seconds <n>", "how long each window is measured", numberFrom(1, 3600), 30)
  .option("--warm <n>", "seconds before a window; sidecars learn in their first minute", numberFrom(0, 3600), 60)
  .option("--streams <n>", "clients with a stream each", wholeNumber(1, 1000), 8)
  .option("--every <ms>", "time between two chunks of a stream", numberFrom(1, 10_000), 20)
  .option("--before <checkout>", "a built checkout of an earlier commit, for the contender before")
  .option("--multiprocess", "the server keeps its metrics in files, as with several API server processes", false)
  .option("--output <folder>", "folder for the results", "bench/results")
  .addHelpText(
    "after",
    `
All windows, some 3 s more than --warm and --seconds each: 72 of 93 s by default, 1 h 50 min.
A checkout for --before:
  git worktree add ../before <commit> && cd ../before && npm ci && npm run build && npm run build:sidecar
A smoke run of half a minute, whose figures mean nothing:
  make bench-scrape ARGS="--contenders none,now --loads own --gateways 1 --repetitions 1 --seconds 5 --warm 3"
The exit status is 1 if a target is missed.`,
  );

/** Contenders take turns in each repetition, so that a change of the machine meets all of them. */
function plansOf({ contenders, loads, gateways }: Options, absent: ReadonlySet<ContenderName>): Plan[] {
  const present = contenders.filter((name) => !absent.has(name));
  return loads.flatMap((load) =>
    gateways.flatMap((count) => present.map((contender) => ({ load, gateways: count, contender }))),
  );
}

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const found = await findLocalEnvoy();
  await installPeer(VLLM_METRICS, progress);
  const { path: epp, why } = options.contenders.includes("epp") ? await peerOrWhy(EPP) : {};
  const notes = why === undefined ? [] : [why];
  if (epp !== undefined) {
    const isolation = isolate(found);
    if ("status" in isolation) return isolation.status;
    if (!isolation.isolated) notes.push("No network namespace could be made: the picker listened on every interface.");
  }
  const absent = new Set<ContenderName>(epp === undefined ? ["epp"] : []);
  if (options.before === undefined && options.contenders.includes("before")) {
    absent.add("before");
    notes.push("The contender before did not run: --before names no checkout.");
  }
  for (const note of notes) progress(note);
  const machine = await describeMachine();
  keepOffLastCore(process.pid);
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  const windows: Window[] = [];
  try {
    const now: Build = { wasm: await copyModule(WASM, join(folder, "pilotfish.wasm"), WASM), sidecar: SIDECAR };
    const before = options.before && { wasm: join(options.before, WASM), sidecar: join(options.before, SIDECAR) };
    const { streams, seconds, every: everyMs, warm: warmSeconds, multiprocess } = options;
    const how = { found, now, before: before || undefined, epp, everyMs, multiprocess, streams, seconds, warmSeconds };
    const plans = plansOf(options, absent);
    for (let repetition = 1; repetition <= options.repetitions; repetition++) {
      for (const [i, plan] of plans.entries()) {
        const number = (repetition - 1) * plans.length + i + 1;
        progress(
          `${number} of ${options.repetitions * plans.length}: ${plan.load}, ${plan.gateways} gateways, ${plan.contender}`,
        );
        windows.push(await measure(plan, how));
      }
    }
    const { text, missed, files } = await writeReport(
      {
        ...{ date: new Date().toISOString(), machine, repetitions: options.repetitions, seconds, warmSeconds, streams },
        ...{ everyMs, multiprocess, wasm: await fileHash(now.wasm), notes, windows },
      },
      options.output,
    );
    process.stdout.write(text);
    progress(files.join("\n"));
    return missed ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await exitWith(main);
