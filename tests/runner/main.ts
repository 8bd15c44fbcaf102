// `npm test`: builds, runs each suite as a process of its own, and prints one line of counts at the end.
//
//   tsx tests/runner/main.ts [suite ...]      build, lint, types, assembly, units, envoy, integration, gateway; default: all
import { spawn } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { addCounts, type Counts, countAsPect, noCounts } from "./totals.ts";

interface Suite {
  title: string;
  run(): Promise<Counts>;
}

/** Folders of integration/ whose tests need only a plain Envoy. */
const PLAIN_ENVOY = ["requests", "picks", "product"];

const ASC = ["node_modules/assemblyscript/bin/asc.js"];

const suites: Record<string, Suite> = {
  build: { title: "build the filter", run: () => step("node", [...ASC, "--target", "release"]) },
  lint: { title: "format and lint", run: () => step("node_modules/.bin/biome", ["check", "."]) },
  types: { title: "type check", run: () => step("node_modules/.bin/tsc", ["-p", "."]) },
  assembly: { title: "units of the filter (as-pect)", run: asPect },
  units: { title: "units of the rest, the release wasm in an emulated host", run: () => nodeTests("tests") },
  envoy: {
    title: "a plain Envoy, without Envoy Gateway and API servers",
    run: () => nodeTests("integration", { only: PLAIN_ENVOY }),
  },
  integration: { title: "a real Envoy", run: () => nodeTests("integration", { without: "gateway/" }) },
  gateway: { title: "a real Envoy Gateway", run: gatewayTests },
};

/** All suites but `envoy`, which is a part of `integration`. */
const ALL = Object.keys(suites).filter((name) => name !== "envoy");

async function main(): Promise<void> {
  const names = process.argv.slice(2);
  for (const name of names) {
    if (!suites[name]) throw new Error(`suite: got ${name}, expected one of ${Object.keys(suites).join(", ")}`);
  }
  await mkdir("build", { recursive: true });
  const total = noCounts();
  const lines: string[] = [];
  for (const name of names.length ? names : ALL) {
    const suite = suites[name];
    if (!suite) continue;
    process.stdout.write(`\n== ${suite.title}\n`);
    const started = Date.now();
    const counts = await suite.run();
    addCounts(total, counts);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    lines.push(
      `${name.padEnd(12)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${seconds} s`,
    );
    if (name === "build" && counts.failed) break;
  }
  process.stdout.write(`\n${lines.join("\n")}\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
}

/** A command that passes or fails as a whole. */
async function step(command: string, args: string[]): Promise<Counts> {
  const code = await exitCode(command, args);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

async function asPect(): Promise<Counts> {
  const args = ["node_modules/@as-pect/cli/bin/asp.js", "--no-logo", "--summary"];
  args.push("--config", "tests/assembly/as-pect.config.js", "--as-config", "tests/assembly/as-pect.asconfig.json");
  let output = "";
  const code = await exitCode("node", args, (text) => {
    output += text;
  });
  return countAsPect(output, code);
}

/** Envoy Gateway's ports are fixed, so these tests run in a network of their own (testkit/envoy-gateway/network.ts). */
async function gatewayTests(): Promise<Counts> {
  const { ownNetwork, prepare } = await import("../../testkit/envoy-gateway/network.ts");
  await prepare();
  return nodeTests("integration/gateway", { command: ownNetwork() });
}

interface Selection {
  /** Only the tests in these folders of the folder. */
  only?: readonly string[];
  /** No tests of this folder of the folder. */
  without?: string;
  /** The command prefix that runs the tests. */
  command?: string[];
}

async function nodeTests(folder: string, selection: Selection = {}): Promise<Counts> {
  const file = `build/counts-${folder.replaceAll("/", "-")}.json`;
  await rm(file, { force: true });
  const files = await testFiles(folder);
  const { only, without } = selection;
  const wanted = files.filter(
    (name) =>
      (!without || !name.startsWith(`${folder}/${without}`)) &&
      (!only || only.some((part) => name.startsWith(`${folder}/${part}/`))),
  );
  // Integration tests start Envoys and pods, so their files run one after the other and do not disturb each other.
  const concurrency = folder.startsWith("integration") ? 1 : availableParallelism();
  const args = ["--import", "tsx", "--test", `--test-concurrency=${concurrency}`, "--test-reporter=spec"];
  args.push("--test-reporter-destination=stdout", "--test-reporter=./tests/runner/counts.mjs");
  args.push(`--test-reporter-destination=${file}`, ...wanted);
  const [command = "", ...before] = [...(selection.command ?? []), "node"];
  const code = await exitCode(command, [...before, ...args]);
  const counts: Counts = await readFile(file, "utf8").then(JSON.parse, () => ({ ...noCounts(), failed: 1 }));
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

async function testFiles(folder: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  const found = await readdir(folder, { recursive: true });
  return found
    .filter((name) => name.endsWith(".test.ts") && !name.includes("node_modules"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

function exitCode(command: string, args: string[], onOutput?: (text: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: onOutput ? ["ignore", "pipe", "inherit"] : ["ignore", "inherit", "inherit"],
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      onOutput?.(chunk.toString());
    });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

await main();
