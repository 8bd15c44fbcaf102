// What a figure depends on besides the code.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  /** Runnable processes over the last minute when the run began: more than a part of one core disturbs the figures. */
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
