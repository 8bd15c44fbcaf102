// How busy the machine is, whoever keeps it so: clock ticks of all cores since it started.
import { readFileSync } from "node:fs";

export function machineBusy(): { busy: number; all: number } {
  const line = readFileSync("/proc/stat", "latin1").split("\n", 1)[0] as string;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  // user, nice, system, idle, iowait, irq, softirq, steal
  return { busy: all - (ticks[3] as number) - (ticks[4] as number), all };
}
