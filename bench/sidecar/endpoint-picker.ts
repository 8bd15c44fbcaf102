// Measures the endpoint picker, if it can be built, while it scrapes the same pods at the same interval.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuNanoseconds } from "../../testkit/cpu.ts";
import { startEpp } from "../../testkit/peers/ext-proc-peers.ts";
import type { Plan, Stage } from "./stage.ts";

export interface PeerWindow {
  /** Used CPU as a share of one core. */
  cores: number;
  scrapesPerSecond: number;
}

/** Time until its scrape rate is steady. */
const WARM_MS = 8000;

export async function peerWindow(path: string, plan: Plan, stage: Stage, seconds: number): Promise<PeerWindow> {
  const folder = await mkdtemp(join(tmpdir(), "pilotfish-epp-"));
  const epp = await startEpp({ path, folder, pods: stage.addresses, scrapeMs: plan.intervalMs });
  try {
    await sleep(WARM_MS);
    const before = { cpu: cpuNanoseconds(epp.pid), served: (await stage.served()).all, at: performance.now() };
    await sleep(seconds * 1000);
    const taken = (performance.now() - before.at) / 1000;
    return {
      cores: (cpuNanoseconds(epp.pid) - before.cpu) / 1e9 / taken,
      scrapesPerSecond: ((await stage.served()).all - before.served) / taken,
    };
  } finally {
    await epp.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
