// `make sim-matrix`: pods times loads times seeds times contenders, and whether Pilotfish shows what it must show.
import { availableParallelism } from "node:os";
import { Command } from "commander";
import { HARDWARE_NAMES, type HardwareName } from "../../../simulator/hardware.ts";
import { fileHash } from "../../../testkit/machine.ts";
import { exitWith, numberFrom, progress, someOf, wholeNumber } from "../../prepare.ts";
import { Child } from "../../routing/child.ts";
import { CONTENDER_NAMES_HELP, CONTENDERS_HELP, contenderNames, contenderOf } from "../contenders.ts";
import { LOAD_NAMES } from "../loads.ts";
import { type Asked, cellName, cellsFor, cellsOf, SUITE_NAMES } from "./cells.ts";
import { verdictLine, verdicts } from "./checks.ts";
import { writeMatrix } from "./report.ts";
import { codeHashes, Results } from "./results.ts";
import { spreadVerdicts } from "./spread-checks.ts";
import { CellRuns } from "./table.ts";
import type { Task, WorkerAsks } from "./worker.ts";

const WASM = process.env.PILOTFISH_WASM ?? "build/pilotfish.wasm";

interface Options {
  suite: string[];
  hardware?: HardwareName[];
  tokenBytes: number[];
  loads?: string[];
  seeds: number[];
  requests: number;
  contenders?: string[];
  subject: string;
  bound: string;
  processes: number;
  results: string;
  output: string;
}

const list =
  (read: (given: string) => number) =>
  (given: string): number[] =>
    given.split(",").map(read);

const command = new Command("sim-matrix")
  .description(
    "Simulates many loads on many pods, and checks the lines that Pilotfish must show; nothing here is a GPU",
  )
  .option("--suite <names>", `some of ${SUITE_NAMES.join(",")}`, someOf(SUITE_NAMES), ["table"])
  .option("--hardware <names>", "these pods instead of a suite's", someOf(HARDWARE_NAMES))
  .option("--token-bytes <list>", "with --hardware or --loads: bytes of a token", list(numberFrom(1, 16)), [4])
  .option("--loads <names>", "these loads instead of a suite's", someOf(LOAD_NAMES))
  .option("--seeds <list>", "seeds", list(wholeNumber(0, 1_000_000)), [1, 2, 3])
  .option("--requests <n>", "requests of each load", wholeNumber(10, 1_000_000), 2000)
  .option("--contenders <names>", `some of ${CONTENDERS_HELP} (default: the suite's)`, contenderNames)
  .option("--subject <name>", "the contender that is judged", "tokens-2")
  .option("--bound <name>", "the same rule with true values", "true-2")
  .option("--processes <n>", "processes that simulate", wholeNumber(1, 256), availableParallelism())
  .option("--results <file>", "results of all runs; a run that is there is not run again", "build/sim-matrix.jsonl")
  .option("--output <folder>", "folder for the report", "bench/results")
  .addHelpText(
    "after",
    `${CONTENDER_NAMES_HELP}
A run that was stopped goes on where it was. A new module or a changed file of bench/sim/ or simulator/ runs its contenders anew.`,
  );

function cellsAsked(options: Options): Asked[] {
  const { hardware = ["as-assumed"], tokenBytes, loads = LOAD_NAMES, requests, suite, contenders } = options;
  if (options.hardware === undefined && options.loads === undefined) return cellsOf(suite, requests, contenders);
  return cellsFor(hardware, tokenBytes, loads, requests, contenders);
}

/**
 * Runs what no earlier run has, with several processes. A process takes all contenders of a cell and a seed, because making the load takes
 * about as long as a run.
 */
async function runAll(
  groups: readonly (readonly Task[])[],
  results: Results,
  codeOf: (name: string) => string,
  processes: number,
) {
  const left = groups
    .map((tasks) => tasks.filter((task) => results.get(task, codeOf(task.contender)) === undefined))
    .filter((tasks) => tasks.length > 0);
  const runs = left.flat().length;
  progress(`${groups.flat().length} runs, ${groups.flat().length - runs} of them are there`);
  const began = performance.now();
  let next = 0;
  let done = 0;
  const work = async (child: Child<WorkerAsks>): Promise<void> => {
    for (let tasks = left[next++]; tasks !== undefined; tasks = left[next++]) {
      for (const task of tasks) {
        // Two suites may have the same cell.
        if (results.get(task, codeOf(task.contender)) !== undefined) continue;
        const outcome = await child.ask("run", task);
        results.add({ ...task, ...outcome, code: codeOf(task.contender) });
        done++;
        const minutes = ((performance.now() - began) / 60_000 / done) * (runs - done);
        const figure = outcome.figures ? `p90 ${Math.round(outcome.figures.p90)} ms` : outcome.error;
        progress(
          `${done} of ${runs}, ${minutes.toFixed(0)} min left: ${cellName(task.cell)}, seed ${task.seed}, ${task.contender}: ${figure}`,
        );
      }
    }
  };
  const children = Array.from(
    { length: Math.min(processes, left.length) },
    () => new Child<WorkerAsks>("../sim/matrix/worker.ts"),
  );
  try {
    await Promise.all(children.map(work));
  } finally {
    for (const child of children) child.stop();
  }
}

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const asked = cellsAsked(options);
  const { seeds, subject, bound } = options;
  const codeOf = codeHashes(WASM);
  const results = new Results(options.results);
  const groupsOf = ({ cell, contenders }: Asked): Task[][] =>
    seeds.map((seed) => contenders.map((contender) => ({ cell, seed, contender })));
  await runAll(asked.flatMap(groupsOf), results, codeOf, options.processes);
  const all = asked.map((one) => {
    const found = groupsOf(one)
      .flat()
      .flatMap((task) => results.get(task, codeOf(task.contender)) ?? []);
    return { isSpread: one.isSpread, runs: new CellRuns(one.cell, found) };
  });
  const cells = all.map(({ runs }) => runs);
  const picks = all.flatMap(({ isSpread, runs }) => (isSpread ? [] : [runs]));
  const judged = [...verdicts(picks, { subject, bound }), ...spreadVerdicts(cells)];
  const contenders = [...new Set(asked.flatMap((one) => one.contenders))];
  const path = await writeMatrix(
    {
      date: new Date().toISOString(),
      wasm: await fileHash(WASM),
      seeds,
      subject,
      bound,
      contenders: contenders.map((name) => ({ name, title: contenderOf(name).title })),
      cells,
      verdicts: judged,
    },
    options.output,
  );
  for (const verdict of judged) console.log(verdictLine(verdict));
  progress(`written: ${path}.md, .json, .svg`);
  return 0;
}

await exitWith(main);
