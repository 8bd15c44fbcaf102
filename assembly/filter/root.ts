// Root contexts: one for each plugin of this VM. The LLM listener has one, and a snapshot listener has another.
import { Config } from "../config/config";
import { setTickPeriod } from "../host/calls";
import { openStreams } from "./streams";

export class Root {
  id: u32;
  config: Config;
  /** No body ever comes (filter/setup/no-bodies.ts). */
  bodiless: bool = false;
  /** Holder: its shared queue. */
  queue: u32 = 0;
  /** Milliseconds between its ticks. */
  tickPeriod: u32 = 0;
  /** Its context is gone. The record stays while streams may still point to it. */
  deleted: bool = false;
  constructor(id: u32, config: Config) {
    this.id = id;
    this.config = config;
  }
}

/** Tick period of a worker that has requests; every root begins with it (on-tick.ts). */
export const BUSY_TICK_MILLISECONDS: u32 = 20;

const roots: Root[] = [];
/** Objects were allocated that the collector can free at the next tick. */
let garbage: bool = false;

export function leaveGarbage(): void {
  garbage = true;
}

/** Frees garbage, if there is any. Only in callbacks that use no managed object: the collector does not see the stack. */
export function collectGarbage(): void {
  if (!garbage) return;
  garbage = false;
  __collect();
}

/** Sets the period of the root's timer. In a callback of the root, or of one of its streams. */
export function tickEvery(root: Root, milliseconds: u32): void {
  if (root.tickPeriod == milliseconds || root.deleted) return;
  root.tickPeriod = milliseconds;
  setTickPeriod(milliseconds);
}

/** The root with this id takes the configuration; a new root is made for a new id. */
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
