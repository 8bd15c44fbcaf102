// Reads three values of a process from /proc: CPU time in nanoseconds, resident memory, and the linear memory of its Wasm VMs.
// Clock ticks of 10 ms are too coarse for single requests, so CPU time is the scheduler's sum of each thread.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** CPU time of all threads of a process in ns. The time of a sleeping thread is exact. */
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

/** Clock ticks a second in /proc, which is 100 on every Linux. */
const TICKS = 100;

/** CPU time of a process in seconds, in steps of 10 ms, with its threads that have ended. */
export function cpuSeconds(pid: number): number {
  // `pid (name) state parent …`; the name may have any characters. Fields 14 and 15 are the times in user and in kernel mode.
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** The process and all its descendants, by their ids. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // `pid (name) state parent …`; the name may have any characters.
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // The process ended between the two calls.
    }
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []));
  return tree;
}

/** Throws if the kernel does not account CPU time per thread (schedstat is absent or zero). */
export function checkSchedstat(pid: number = process.pid): void {
  let ran = 0;
  try {
    ran = cpuNanoseconds(pid);
  } catch (error) {
    throw new Error(`/proc/${pid}/task/*/schedstat cannot be read; the bench needs Linux with CONFIG_SCHED_INFO`, {
      cause: error,
    });
  }
  if (!(ran > 0)) throw new Error(`/proc/${pid}/task/*/schedstat has zeros, expected the CPU time in nanoseconds`);
}

/**
 * Keeps all threads of a process on the last core, so that the cost of the same work varies less. Changes nothing on a machine with
 * one core or without taskset.
 */
export function keepOnLastCore(pid: number): void {
  const cores = cpus().length;
  if (cores > 1) spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", String(cores - 1), String(pid)]);
}

/** Keeps all threads of a process on the other cores than the last one, where keepOnLastCore() keeps another process. */
export function keepOffLastCore(pid: number): void {
  const cores = cpus().length;
  if (cores > 1) spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", `0-${cores - 2}`, String(pid)]);
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

/** V8 reserves at least this many bytes of addresses for one Wasm memory, so that a 32-bit base plus a 32-bit offset stays inside. */
const MIN_RESERVED_BYTES = 4 * 2 ** 30;

/**
 * Sizes of the linear memories in a process in bytes, largest first. V8 reserves several GiB for a memory: an accessible mapping,
 * which is the memory, and an inaccessible mapping that follows without a gap.
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
    if (match[3] === "---p" && previous?.to === from && to - previous.from >= MIN_RESERVED_BYTES) {
      sizes.push(previous.to - previous.from);
    }
    previous = undefined;
  }
  return sizes.sort((a, b) => b - a);
}

export function processMaps(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, "latin1");
}
