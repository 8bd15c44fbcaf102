// make bench-body: what it costs to get the model of a body into a header, for every way to do it in one Envoy binary.

import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Found, findEnvoy } from "../../envoy/binary.ts";
import { DEFAULT_VERSION } from "../../envoy/versions.ts";
import { checkSchedstat } from "../../testkit/cpu.ts";
import { fileHash } from "../../testkit/machine.ts";
import { BBR_VERSION, buildBbr, PeerError, type RunningBbr, startBbr } from "../../testkit/peers/bbr.ts";
import { isIsolated, namespaceCommand, runIsolated } from "../../testkit/peers/isolate.ts";
import { command, type Options } from "./options.ts";
import { writeReport } from "./report.ts";
import { runBench } from "./run.ts";

const progress = (line: string) => void process.stderr.write(`${line}\n`);

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
