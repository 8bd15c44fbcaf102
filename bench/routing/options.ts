// The command line of `make bench-routing`.
import { Command, Option } from "commander";
import { HARDWARE_NAMES, type HardwareName } from "../../simulator/hardware.ts";
import { DYNAMO_PACE } from "../../testkit/peers/dynamo.ts";
import { TINY_TOKEN_BYTES } from "../../testkit/peers/tiny-model.ts";
import { numberFrom, someOf, wholeNumber } from "../prepare.ts";
import { usualRate } from "../sim/loads.ts";
import { CONTENDER_NAMES, contenderNames, USUAL_NAMES } from "./contenders.ts";
import { OVERLOAD_NAMES, ROUTING_LOAD_NAMES, ROUTING_LOADS, type RoutingLoad } from "./loads.ts";

export interface RoutingOptions {
  loads: string[];
  contenders: string[];
  repetitions: number;
  lanes: number;
  retries: number;
  /** Worker threads of each Envoy. */
  concurrency: number;
  envoys?: number;
  /** Seconds. */
  restartEvery: number;
  hardware?: HardwareName[];
  rate?: number;
  tokenBytes: number;
  pods: "simulated" | "mocker";
  seed: number;
  seconds?: number;
  wasm: string;
  output: string;
}

const USUAL_LOADS = ROUTING_LOAD_NAMES.filter((name) => !OVERLOAD_NAMES.includes(name));

const command = new Command("bench-routing")
  .description("Time to first token with each way to pick a pod: real Envoys, simulated vLLM pods, open-loop arrivals")
  .option("--loads <list>", `some of ${ROUTING_LOAD_NAMES.join(",")}`, someOf(ROUTING_LOAD_NAMES), USUAL_LOADS)
  .option(
    "--contenders <list>",
    `some of ${CONTENDER_NAMES.join(",")}, and tokens with another number of workers and Envoys (below)`,
    contenderNames,
    USUAL_NAMES,
  )
  .option("--repetitions <n>", "each with new requests, which are the same for all contenders", wholeNumber(1, 100), 1)
  .option(
    "--lanes <n>",
    "contenders that run at the same time, each with its own pods and Envoys",
    wholeNumber(1, 16),
    2,
  )
  .option("--retries <n>", "how often contenders run again that the machine disturbed", wholeNumber(0, 100), 0)
  .option("--concurrency <n>", "worker threads of each Envoy", wholeNumber(1, 64), 2)
  .option("--envoys <n>", "Envoys of each contender (default: the load's own, 1 or 2)", wholeNumber(1, 16))
  .option(
    "--restart-every <seconds>",
    "how often the first Envoy of a contender begins anew whose name ends with -restart",
    wholeNumber(5, 3600),
    60,
  )
  .option(
    "--hardware <names>",
    `presets that the pods have in turn, of ${HARDWARE_NAMES.join(",")}; the rates follow`,
    someOf(HARDWARE_NAMES),
  )
  .option("--rate <n>", "requests a second for all pods (default: the load's own)", numberFrom(0.1, 1000))
  .option("--token-bytes <n>", "bytes of a token of the pods, from 1 to 16", numberFrom(1, 16), 4)
  .addOption(
    new Option("--pods <kind>", "simulator/, or the mocker engines of Dynamo, whose router needs them")
      .choices(["simulated", "mocker"] as const)
      .default("simulated" as const),
  )
  .option(
    "--seconds <n>",
    "duration of the arrivals on pods as assumed; other hardware gets as many requests (default: the load's own)",
    wholeNumber(5, 3600),
  )
  .option("--seed <n>", "seed of everything", wholeNumber(0, 1_000_000), 1)
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--output <folder>", "folder for the results", "bench/results")
  .addHelpText(
    "after",
    `
tokens-8 is tokens with concurrency 8 on one Envoy, tokens-4x2 with concurrency 4 on two, whatever the other options and the load say.
Their p90 is compared with that of tokens-1, if it runs too. With -restart at the end of a name, the first Envoy is killed and begins anew
every --restart-every seconds: tokens-restart, tokens-2x2-restart. Its p90 is compared with that of the same name without -restart.

One worker beside eight, and two and four Envoys:
  make bench-routing ARGS="--loads mixed,shared,sessions --contenders tokens-1,tokens-8,tokens-1x2,tokens-4x4,epp"
One of one and one of two Envoys begins anew each minute:
  make bench-routing ARGS="--loads fitting,shared --seconds 200 --contenders tokens-2,tokens-2-restart,tokens-2x2,tokens-2x2-restart"

A contender whose peer is not in the cache is skipped by name; make peers fills the cache.`,
  );

/** Ends the program for options that contradict each other. */
export function readOptions(): RoutingOptions {
  const options = command.parse().opts<RoutingOptions>();
  if (options.pods === "mocker")
    for (const name of ["hardware", "tokenBytes"])
      if (command.getOptionValueSource(name) === "cli")
        command.error(
          `--pods mocker: the engines have their own speed and tokenizer, so ${FLAGS[name]} is not allowed`,
        );
  return options;
}

const FLAGS: Readonly<Record<string, string>> = { hardware: "--hardware", tokenBytes: "--token-bytes" };

/** Bursts come when they come, so their rate does not follow the hardware. */
function rateOf({ kind, pods, burstMs }: RoutingLoad, rate: number | undefined, mocker: boolean): { rate?: number } {
  if (burstMs !== undefined) return { rate: usualRate(kind, pods) };
  if (rate !== undefined) return { rate };
  return mocker ? { rate: usualRate(kind, pods) * DYNAMO_PACE } : {};
}

/** The chosen loads, on the chosen pods and Envoys. */
export function chosenLoads(options: RoutingOptions): RoutingLoad[] {
  const { loads, seconds, envoys, restartEvery, tokenBytes, pods, hardware, rate } = options;
  const mocker = pods === "mocker";
  const chosen = ROUTING_LOADS.filter(({ name }) => loads.includes(name));
  return chosen.map((load) => ({
    ...load,
    seconds: seconds ?? load.seconds,
    envoys: envoys ?? load.envoys,
    restartEvery,
    mocker,
    ...rateOf(load, rate, mocker),
    ...(hardware === undefined ? {} : { hardware }),
    params: { tokenBytes: mocker ? TINY_TOKEN_BYTES : tokenBytes },
  }));
}
