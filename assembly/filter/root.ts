// Root contexts. A VM has one root context for each plugin that uses the VM: one for the LLM listener, another for a snapshot
// listener.
import { Config } from "../config/config";
import { setTickPeriod } from "../host/calls";
import { openStreams } from "./streams";

export class Root {
  id: u32;
  config: Config;
  /** Envoy passes no body to this plugin's filter (filter/setup/no-bodies.ts). */
  bodiless: bool = false;
  /** Token of the holder's shared queue; 0: this root has no queue. */
  queue: u32 = 0;
  /** Milliseconds between ticks of this root's timer. */
  tickPeriod: u32 = 0;
  /** Envoy deleted the context. The record stays while streams may still point to it. */
  deleted: bool = false;
  constructor(id: u32, config: Config) {
    this.id = id;
    this.config = config;
  }
}

/** Tick period of a worker that is not idle. Every root begins with this period (on-tick.ts). */
export const BUSY_TICK_MILLISECONDS: u32 = 20;
export const IDLE_TICK_MILLISECONDS: u32 = 200;

const roots: Root[] = [];
/** Whether the collector can free objects at the next tick. */
let garbage: bool = false;

/** Call after code that allocates managed objects, such as strings. The next tick then runs the collector. */
export function leaveGarbage(): void {
  garbage = true;
}

/** Frees garbage, if there is any. Call only in callbacks that use no managed object: the collector does not see the stack. */
export function collectGarbage(): void {
  if (!garbage) return;
  garbage = false;
  __collect();
}

/** Sets the period of the root's timer. Call only in a callback of the root or of one of its streams. */
export function tickEvery(root: Root, milliseconds: u32): void {
  if (root.tickPeriod == milliseconds || root.deleted) return;
  root.tickPeriod = milliseconds;
  setTickPeriod(milliseconds);
}

/** Gives the configuration to the root with this id, and returns the root. Makes a root for a new id. */
export function useConfig(id: u32, config: Config): Root {
  const known = findRoot(id);
  if (known !== null) {
    known.config = config;
    return known;
  }
  const root = new Root(id, config);
  roots.push(root);
  return root;
}

export function findRoot(id: u32): Root | null {
  for (let i = 0; i < roots.length; i++) {
    const root = unchecked(roots[i]);
    if (root.id == id && !root.deleted) return root;
  }
  return null;
}

export function deleteRoot(root: Root): void {
  root.deleted = true;
  for (let i = roots.length - 1; i >= 0 && openStreams() == 0; i--) if (roots[i].deleted) roots.splice(i, 1);
  leaveGarbage();
}
