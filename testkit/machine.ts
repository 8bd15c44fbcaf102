// Describes the machine on which a figure was measured.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  /** Load average of one minute when the run began. A load above a fraction of one core disturbs the figures. */
  loadBefore: number;
}

export async function describeMachine(): Promise<Machine> {
  const all = cpus();
  const load = await readFile("/proc/loadavg", "latin1");
  return {
    cpu: all[0]?.model.trim() || "unknown",
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
    loadBefore: Number(load.split(" ")[0]),
  };
}

export async function fileHash(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex")
    .slice(0, 16);
}

/** Clock ticks of all cores since the machine started: busy ticks, and all ticks. */
export function machineBusy(): { busy: number; all: number } {
  const line = readFileSync("/proc/stat", "latin1").split("\n", 1)[0] as string;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  // user, nice, system, idle, iowait, irq, softirq, steal
  return { busy: all - (ticks[3] as number) - (ticks[4] as number), all };
}
