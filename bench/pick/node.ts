// The filter's own code of picks, compiled with the release's flags, in Node's V8 (Envoy uses V8 too): the time of a pick.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { median } from "../../testkit/statistics.ts";

interface Bench {
  _initialize(): void;
  prepare(pods: number, profile: number, customers: number): void;
  run(count: number, blocks: number, picksToo: number): number;
  memoryPages(): number;
}

const PROFILES = { load: 0, tokens: 1, epp: 2, "load, p2c": 3 } as const;
const PODS = [16, 1000];
/** Blocks of 64 bytes: 512 bytes, 8 KiB and 32 KiB of prompt. */
const BLOCKS = [8, 128, 512];
const CUSTOMERS = 150;
const COUNT = 2000;
const ROUNDS = 9;

function compile(): WebAssembly.Module {
  const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
  mkdirSync("build", { recursive: true });
  const flags = "--runtime minimal --enable simd -O3 --noAssert --exportStart _initialize --disableWarning 201".split(
    " ",
  );
  const out = "build/bench-pick.wasm";
  const run = spawnSync(process.execPath, [asc, "tests/assembly/entries/pick.ts", ...flags, "--outFile", out], {
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`asc tests/assembly/entries/pick.ts: ${run.stderr}`);
  return new WebAssembly.Module(readFileSync(out));
}

export function inNode(): void {
  const module = compile();
  console.log(
    `µs per pick in Node ${process.version}, median of ${ROUNDS} rounds of ${COUNT}; ${CUSTOMERS} customers share half of their prompts`,
  );
  console.log("| profile | pods | prompt 512 B | 8 KiB | 32 KiB | memory |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const [name, profile] of Object.entries(PROFILES)) {
    for (const pods of PODS) {
      const imports: WebAssembly.Imports = {};
      for (const { module: from, name: call } of WebAssembly.Module.imports(module)) {
        const refuse = () => {
          throw new Error(`a pick called the host: ${call}`);
        };
        imports[from] = { ...imports[from], [call]: refuse };
      }
      const bench = new WebAssembly.Instance(module, imports).exports as unknown as Bench;
      bench._initialize();
      bench.prepare(pods, profile, CUSTOMERS);
      const cells = BLOCKS.map((blocks) => {
        const time = (picksToo: number) => {
          // CPU time instead of wall time, so that other processes of this machine disturb the figures less.
          const began = process.cpuUsage();
          bench.run(COUNT, blocks, picksToo);
          const { user, system } = process.cpuUsage(began);
          return (user + system) / COUNT;
        };
        for (let i = 0; i < 3; i++) time(1);
        // The time of making and hashing the prompt is subtracted: the filter does that while it scans the body.
        const bare = median(Array.from({ length: ROUNDS }, () => time(0)));
        return (median(Array.from({ length: ROUNDS }, () => time(1))) - bare).toFixed(2);
      });
      console.log(`| ${name} | ${pods} | ${cells.join(" | ")} | ${(bench.memoryPages() / 16).toFixed(1)} MiB |`);
    }
  }
}
