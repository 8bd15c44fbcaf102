// `make sim` compares the picks of the release wasm with round robin, least request and the endpoint picker, over simulated pods.
import { Command, InvalidArgumentError, Option } from "commander";
import { TOKENIZER_NAMES, type TokenizerName } from "../../simulator/engine/tokenizer.ts";
import { HARDWARE_NAMES, type HardwareName } from "../../simulator/hardware.ts";
import { applyPatch, defaultParams, type PodParams } from "../../simulator/params.ts";
import { fileHash } from "../../testkit/machine.ts";
import { numberFrom, someOf, wholeNumber } from "../prepare.ts";
import { CONTENDER_NAMES_HELP, CONTENDERS_HELP, contenderNames, contenderOf } from "./contenders.ts";
import { HERD_KINDS, herd } from "./herd.ts";
import { LOAD_NAMES, makeLoad } from "./loads.ts";
import { type Cell, loadTable, type SimRun, writeReport } from "./report.ts";
import { type Figures, simulate } from "./simulate.ts";
import { TEXT_KINDS, type TextKind } from "./texts/text.ts";

const USUAL = [
  "rr",
  "lr",
  "lr-all",
  "epp-auto",
  "load-1",
  "load-2",
  "tokens-1",
  "tokens-2",
  "tokens-2x2",
  "tokens-2x2-mute",
];
/** The other loads are slow, or need another number of requests (--only). */
const USUAL_LOADS = LOAD_NAMES.filter((name) => !/^(overload|ladder|long-answers|pictures|languages)/.test(name));

interface Options {
  pods?: number;
  rate?: number;
  requests: number;
  seed: number;
  only: string[];
  contenders: string[];
  herd: boolean;
  tokenBytes: number;
  tokenizer: TokenizerName;
  texts?: TextKind;
  unseen: number[];
  hardware?: HardwareName[];
  param: Partial<PodParams>;
  output: string;
}

function podParam(given: string, before: Partial<PodParams>): Partial<PodParams> {
  const [key = "", value = ""] = given.split("=");
  try {
    const patch = { ...before, [key]: Number(value) };
    applyPatch(defaultParams(), patch, false);
    return patch;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Reads percentages from 0 to 90, separated by commas. */
const percents = (given: string): number[] => given.split(",").map(wholeNumber(0, 90));

const command = new Command("sim")
  .description("Time to first token with each way to pick a pod, in a discrete-event simulation; nothing here is a GPU")
  .option("--pods <n>", "number of pods (default: the load's own, 4 or 8)", wholeNumber(1, 1000))
  .option("--rate <n>", "requests a second for all pods (default: the load's own)", numberFrom(0.01, 100_000))
  .option("--requests <n>", "requests of each load; the first fifth is warm-up", wholeNumber(10, 1_000_000), 3000)
  .option("--seed <n>", "seed of everything", wholeNumber(0, 1_000_000), 1)
  .option("--only <loads>", `some of ${LOAD_NAMES.join(",")}`, someOf(LOAD_NAMES), USUAL_LOADS)
  .option("--contenders <list>", `some of ${CONTENDERS_HELP}`, contenderNames, USUAL)
  .option(
    "--unseen <percents>",
    "shares of the requests that another gateway sends by least request and reports to nobody, such as 0,25,50; figures leave them out",
    percents,
    [0],
  )
  .option(
    "--hardware <names>",
    `presets that pods have in turn, of ${HARDWARE_NAMES.join(",")}`,
    someOf(HARDWARE_NAMES),
  )
  .option("--token-bytes <n>", "bytes of a token, from 1 to 16, not always whole", numberFrom(1, 16), 4)
  .addOption(
    new Option("--tokenizer <name>", "bytes, or a vocabulary").choices(TOKENIZER_NAMES).default("bytes" as const),
  )
  .addOption(
    new Option("--texts <kind>", "what the texts are (default: noise; with a vocabulary: mix)").choices(TEXT_KINDS),
  )
  .option(
    "--param <key=number>",
    "another parameter of the pods, such as offloadBlocks=60000; repeatable",
    podParam,
    {},
  )
  .option("--no-herd", "leave out the bursts of 200 requests in one scrape period")
  .option("--output <folder>", "folder for the results", "bench/results")
  .addHelpText(
    "after",
    `${CONTENDER_NAMES_HELP}
A large pool, some 20 s:
  make sim ARGS="--only one-prompt --pods 1000 --rate 10000 --requests 4000 --contenders rr,epp,tokens-2 --no-herd"
Pods with other hardware, other tokens and a second level of the KV cache (simulator/README.md):
  make sim ARGS="--only shared-80 --hardware l4-8b,h100-8b --tokenizer o200k_base --param offloadBlocks=60000 --contenders epp,tokens-2 --no-herd"
One worker beside sixteen, four Envoys of four workers that talk, and an Envoy that begins anew each minute:
  make sim ARGS="--only mixed,fitting-80 --contenders exact,tokens-1,tokens-16,tokens-4x4,tokens-1-restart60 --no-herd"
What four pods carry that share prompts as well as can be (bench/sim/loads/shared.ts):
  make sim ARGS="--only fitting-80 --rate 42 --requests 12600 --contenders home,epp,tokens-2 --no-herd"
Pods that are scraped at a pace beside pods that are scraped every 50 ms, with requests that no Envoy reports:
  make sim ARGS="--only mixed,slow,adapters,bursts,shared-80 --unseen 0,25,50 --contenders tokens-2-scrape50,tokens-2 --no-herd"
PILOTFISH_WASM=<file> replaces build/pilotfish.wasm by another module.`,
  );

function podsText({ hardware, tokenizer, tokenBytes, texts, param }: Options): string {
  const tokens = tokenizer === "bytes" ? `${tokenBytes} bytes a token` : `tokens of ${tokenizer}`;
  const others = Object.entries(param).map(([key, value]) => `${key} ${value}`);
  return [
    (hardware ?? ["as-assumed"]).join(", "),
    tokens,
    ...(texts === undefined ? [] : [`texts ${texts}`]),
    ...others,
  ].join("; ");
}

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  const began = performance.now();
  const contenders = options.contenders.map(contenderOf);
  const cells: Cell[] = [];
  for (const [name, unseen] of options.only.flatMap((one) => options.unseen.map((share) => [one, share] as const))) {
    const load = makeLoad(name, {
      unseen: unseen / 100,
      pods: options.pods,
      requests: options.requests,
      seed: options.seed,
      rate: options.rate,
      params: { ...options.param, tokenizer: options.tokenizer, tokenBytes: options.tokenBytes },
      ...(options.hardware === undefined ? {} : { hardware: options.hardware }),
      texts: options.texts ?? (options.tokenizer === "bytes" ? "noise" : "mix"),
    });
    const rows: { contender: string; figures: Figures }[] = [];
    for (const contender of contenders) {
      rows.push({ contender: contender.name, figures: simulate(load, contender, { seed: options.seed }) });
    }
    const perSecond = load.requests.length / ((load.requests.at(-1)?.at ?? 0) / 1000) || 0;
    const cell: Cell = { load: load.name, title: load.title, pods: load.pods, perSecond, rows };
    cells.push(cell);
    console.log(loadTable(cell));
  }
  const herds = options.herd
    ? HERD_KINDS.map((kind) => ({
        kind: kind.name,
        title: kind.title,
        rows: contenders.map((contender) => ({ contender: contender.name, most: herd(kind, contender, options.seed) })),
      }))
    : [];
  const run: SimRun = {
    date: new Date().toISOString(),
    seed: options.seed,
    requests: options.requests,
    pods: podsText(options),
    wasm: await fileHash("build/pilotfish.wasm"),
    node: process.version,
    seconds: (performance.now() - began) / 1000,
    contenders: contenders.map(({ name, title }) => ({ name, title })),
    cells,
    herds,
  };
  await writeReport(run, options.output);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
