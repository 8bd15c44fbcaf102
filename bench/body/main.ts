// `make bench-body` measures the cost of getting the model of a body into a header, for each contender with one Envoy binary.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileHash } from "../../testkit/machine.ts";
import { startBbr } from "../../testkit/peers/ext-proc-peers.ts";
import { BBR } from "../../testkit/peers/go-peers.ts";
import type { RunningPeer } from "../../testkit/peers/spawn-peer.ts";
import { copyModule, exitWith, findLocalEnvoy, isolate, peerOrWhy, progress } from "../prepare.ts";
import { command, type Options } from "./options.ts";
import { writeReport } from "./report.ts";
import { runBench } from "./run.ts";

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const found = await findLocalEnvoy();
  const wanted = !options.only || options.only.includes("bbr");
  const bbr = wanted ? await peerOrWhy(BBR) : { why: "bbr: not among --only" };
  const notes: string[] = [];
  if (bbr.path) {
    const isolation = isolate(found);
    if ("status" in isolation) return isolation.status;
    if (!isolation.isolated)
      progress("no network namespace can be made here: BBR listens on every interface of this machine during the run");
    notes.push(
      isolation.isolated
        ? "Envoy, BBR, upstream and client share a network namespace with loopback only."
        : "No network namespace could be made: BBR listened on every interface.",
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-bench-"));
  let running: RunningPeer | undefined;
  try {
    const wasmFile = await copyModule(options.wasm, join(folder, "pilotfish.wasm"), "--wasm");
    const before = options.before && (await copyModule(options.before, join(folder, "before.wasm"), "--before"));
    if (bbr.path) running = await startBbr(bbr.path, folder);
    const run = await runBench({
      options,
      found,
      wasmFile,
      before,
      bbr: running,
      versions: {
        Envoy: found.version,
        "pilotfish.wasm": await fileHash(wasmFile),
        ...(before ? { "before.wasm": await fileHash(before) } : {}),
        ...(running ? { BBR: BBR.version } : {}),
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

await exitWith(main);
