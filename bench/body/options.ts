// The command line of bench-body.
import { Command, InvalidArgumentError, Option } from "commander";
import { someOf, wholeNumber } from "../prepare.ts";
import { CONTENDER_NAMES } from "./contenders.ts";
import { REGIMES, type Regime } from "./measure.ts";
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

function sizes(given: string): number[] {
  try {
    return given.split(",").map(parseSize);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

export const command = new Command("bench-body")
  .description(
    "CPU and latency of getting the model of a body into a header: Pilotfish beside every other way, in one Envoy binary",
  )
  .addOption(
    new Option(
      "--full",
      "every size, text and contender, many repetitions (about 45 minutes on an idle machine)",
    ).conflicts("quick"),
  )
  .addOption(new Option("--quick", "1k, 128k and 1m of ASCII prompts, few repetitions (the default)"))
  .option("--sizes <list>", "body sizes, like 512,1k,16k,1m", sizes)
  .option("--texts <list>", `some of ${TEXTS.join(",")}`, someOf(TEXTS))
  .option("--only <list>", `some of ${CONTENDER_NAMES.join(",")}; none always runs`, someOf(CONTENDER_NAMES))
  .option(
    "--repetitions <n>",
    "interleaved repetitions (full: 9 back to back, 5 spaced; quick: 3)",
    wholeNumber(1, 1000),
  )
  .option("--connections <n>", "connections for the measurement of CPU, back to back", wholeNumber(1, 64), 4)
  .option("--regimes <list>", `some of ${REGIMES.join(",")}`, someOf(REGIMES), [...REGIMES])
  .addOption(new Option("--spaced", "only spaced, one request every 20 ms").implies({ regimes: ["spaced"] }))
  .option("--no-memory", "leave out the measurement of memory with 64 concurrent bodies of 8 MiB")
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--before <file>", "another build of the filter, measured beside it to show the effect of a change")
  .option("--seed <n>", "seed of the bodies", wholeNumber(0, 2 ** 31), 1)
  .option("--output <folder>", "folder for the results", "bench/results");
