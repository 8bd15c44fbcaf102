// What the kernel knows of a process: CPU time in nanoseconds, resident memory, and the linear memory of its Wasm VMs.
// Clock ticks (10 ms) are too coarse for single requests, so: the scheduler's own sums, thread by thread.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** CPU time of all threads of a process in ns, as the scheduler has summed it. Exact for threads that sleep now. */
export function cpuNanoseconds(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]);
    } catch {
      // The thread ended between the two calls.
    }
  }
  return sum;
}

/** Throws where the kernel does not account per thread (schedstat absent or all zero). */
export function checkSchedstat(pid: number = process.pid): void {
  let ran = 0;
  try {
    ran = cpuNanoseconds(pid);
  } catch (error) {
    throw new Error(`/proc/${pid}/task/*/schedstat cannot be read, the bench needs Linux with CONFIG_SCHED_INFO`, {
      cause: error,
    });
  }
  if (!(ran > 0)) throw new Error(`/proc/${pid}/task/*/schedstat holds zeros, expected the CPU time in nanoseconds`);
}

/**
 * Keeps all threads of a process on the last core: the same work costs it less to and fro then. Does nothing where there is one core
 * only, or no taskset.
 */
export function keepOnLastCore(pid: number): void {
  const cores = cpus().length;
  if (cores > 1) spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", String(cores - 1), String(pid)]);
}

interface Resident {
  nowBytes: number;
  peakBytes: number;
}

export function residentMemory(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN);
  return { nowBytes: field("VmRSS") * 1024, peakBytes: field("VmHWM") * 1024 };
}

/** A reservation of V8 for one Wasm memory: 32-bit offsets from a 32-bit base stay inside it. */
const RESERVED_AT_LEAST = 4 * 2 ** 30;

/**
 * Sizes of the linear memories in a process, largest first: the accessible mapping at the start of each reservation of
 * several GiB. A reservation is the mapping and the inaccessible one that follows it without a gap.
 */
export function wasmMemories(maps: string): number[] {
  const sizes: number[] = [];
  let previous: { from: number; to: number } | undefined;
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)\s*(.*)$/.exec(line);
    if (!match) continue;
    const from = Number.parseInt(match[1] as string, 16);
    const to = Number.parseInt(match[2] as string, 16);
    const anonymous = match[4] === "0" && !(match[5] as string).startsWith("[stack");
    if (match[3] === "rw-p" && anonymous) {
      previous = { from, to };
      continue;
    }
    if (match[3] === "---p" && previous?.to === from && to - previous.from >= RESERVED_AT_LEAST) {
      sizes.push(previous.to - previous.from);
    }
    previous = undefined;
  }
  return sizes.sort((a, b) => b - a);
}

export function processMaps(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, "latin1");
}
