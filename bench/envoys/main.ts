// `make bench-envoys` measures what the exchange between Envoys costs: fleets of Envoys with a sidecar each, idle and under load. It
// prints the CPU of the Envoys and of the sidecars, read by process id, and how many requests of sidecars the Envoys answer.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { copyModule, findLocalEnvoy, numberFrom, progress, wholeNumber } from "../prepare.ts";
import { startFleet, type Window } from "./stage.ts";

interface Options {
  envoys: number[];
  seconds: number;
  concurrency: number;
  pods: number;
  load: number;
  wasm: string;
  sidecar: string;
}

const numbers = (given: string) => given.split(",").map((one) => wholeNumber(1, 64)(one));

const command = new Command("bench-envoys")
  .description("CPU and requests of the exchange between Envoys, each with a sidecar that knows the others as peers")
  .option("--envoys <list>", "sizes of the fleets", numbers, [2, 8])
  .option("--seconds <n>", "how long each fleet is measured", numberFrom(1, 3600), 20)
  .option("--concurrency <n>", "workers of an Envoy", wholeNumber(1, 64), 2)
  .option("--pods <n>", "pods, which each sidecar scrapes every 100 ms", wholeNumber(1, 64), 2)
  .option("--load <n>", "requests a second to each Envoy; 0: the fleets are idle", numberFrom(0, 1000), 0)
  .option("--wasm <file>", "the filter", "build/pilotfish.wasm")
  .option("--sidecar <file>", "the compiled sidecar", "build/sidecar/sidecar/main.js");

const row = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
const milli = (cores: number) => (cores * 1000).toFixed(1);

function line(envoys: number, { envoyCores, sidecarCores, reports, traffic, snapshots }: Window): string {
  const each = (value: number) => (value / envoys).toFixed(1);
  return row([envoys, milli(envoyCores), milli(sidecarCores), each(reports), each(traffic), each(snapshots)]);
}

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  const found = await findLocalEnvoy();
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  const lines: string[] = [];
  try {
    const wasm = await copyModule(options.wasm, join(folder, "pilotfish.wasm"), "--wasm");
    for (const envoys of options.envoys) {
      progress(`${envoys} Envoys: ${options.seconds} s`);
      const fleet = await startFleet({ ...options, envoys, found, wasm });
      try {
        lines.push(line(envoys, await fleet.measure(options.seconds)));
      } finally {
        await fleet.close();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log(row(["Envoys", "Envoys' CPU, m", "sidecars' CPU, m", "reports/s", "traffic pushes/s", "snapshots/s"]));
  console.log(row(["--:", "--:", "--:", "--:", "--:", "--:"]));
  for (const each of lines) console.log(each);
  console.log(
    "\nCPU in thousandths of a core, of all Envoys and of all sidecars; the other columns are for one Envoy.",
  );
}

await main();
