// How busy the machine was during a run, and how much of that was not the bench.
import { cpus } from "node:os";
import { cpuNanoseconds, processTree } from "../../testkit/cpu.ts";
import { machineBusy } from "../../testkit/machine.ts";

export interface MachineUse {
  /** Busy share of all cores, 0 to 1. */
  busy: number;
  /** Cores that other programs used. A part of the kernel's work for the bench counts here too. */
  foreign: number;
}

const BUSY_LIMIT = 0.85;
const FOREIGN_LIMIT = 0.3;

/** Whether figures may be the machine's: more than 85 % of the cores were busy, or other programs used more than 0.3 cores. */
export function isDisturbed({ busy, foreign }: MachineUse): boolean {
  return busy > BUSY_LIMIT || foreign > FOREIGN_LIMIT;
}

interface Sample {
  at: number;
  busy: number;
  all: number;
  /** CPU time by process id, in ns. */
  own: Map<number, number>;
}

/** Starts to watch. The returned function gives the use since then. */
export function watchMachine(): () => MachineUse {
  const from = sample();
  return () => {
    const to = sample();
    const busy = (to.busy - from.busy) / Math.max(1, to.all - from.all);
    let own = 0;
    // A process that ended in between is missing, so its share counts as foreign.
    for (const [pid, used] of to.own) own += used - (from.own.get(pid) ?? 0);
    const ownCores = own / 1e6 / Math.max(1, to.at - from.at);
    return { busy, foreign: Math.max(0, busy * cpus().length - ownCores) };
  };
}

function sample(): Sample {
  const own = new Map<number, number>();
  for (const pid of processTree(process.pid)) {
    try {
      own.set(pid, cpuNanoseconds(pid));
    } catch {
      // The process ended between the two calls.
    }
  }
  return { at: performance.now(), ...machineBusy(), own };
}
