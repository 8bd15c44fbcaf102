// Root contexts: one per plugin of this VM (the LLM listener's, and that of a snapshot listener where there is one).
import { growQueue } from "../admission/queue";
import { useSince } from "../admission/since";
import { MODE_HOLD } from "../config/admission";
import { Config, configProblem, parseConfig, ROLE_HOLDER } from "../config/config";
import { usePrefixes } from "../endpoints/cache/prefix-index";
import { BLOCK_BYTES, SMALL_BLOCK_BYTES } from "../endpoints/cache/prompt";
import { setSlowStart } from "../endpoints/health";
import {
  getBuffer,
  LOG_ERROR,
  LOG_INFO,
  LOG_WARN,
  log,
  PLUGIN_CONFIGURATION,
  randomSeed,
  resultLength,
  resultPointer,
  setTickPeriod,
} from "../host/calls";
import { KIND_TOKENS } from "../pick/profile";
import { fieldsStateBytes } from "../scan/json/fields";
import { MULTIPART_STATE_BYTES } from "../scan/multipart/multipart";
import { defineMetrics } from "../stats";
import { hangUpBulletin } from "../workers/bulletin";
import { openQueue } from "./setup/reader-holder";
import { needStateBytes, openStreams } from "./streams";

export class Root {
  id: u32;
  config: Config;
  /** No body ever comes (filter/setup/no-bodies.ts). */
  bodiless: bool = false;
  /** Holder: its shared queue. */
  queue: u32 = 0;
  /** Milliseconds between its ticks. */
  tickPeriod: u32 = 0;
  /** Its context is gone; the record stays while streams may still point at it. */
  deleted: bool = false;
  constructor(id: u32, config: Config) {
    this.id = id;
    this.config = config;
  }
}

/** Tick period of a worker that has requests; every root begins with it (ticker.ts). */
export const BUSY_TICK_MILLISECONDS: u32 = 20;

const roots: Root[] = [];
/** Something was allocated that the collector may take back at the next tick. */
let garbage: bool = false;

export function leaveGarbage(): void {
  garbage = true;
}

/** Collects when there is something to. Only for callbacks that hold no managed object: the stack is no root. */
export function collectGarbage(): void {
  if (!garbage) return;
  garbage = false;
  __collect();
}

/** False refuses the configuration; Envoy then rejects the listener, or keeps the old one. */
export function configure(id: u32, length: u32): bool {
  leaveGarbage();
  defineMetrics();
  let text = "";
  if (length > 0 && getBuffer(PLUGIN_CONFIGURATION, 0, length))
    text = String.UTF8.decodeUnsafe(resultPointer(), resultLength());
  const config = parseConfig(text);
  if (config === null) {
    log(LOG_ERROR, configProblem());
    return false;
  }
  if (config.secrets.length == 0 && config.role != ROLE_HOLDER)
    log(
      LOG_WARN,
      "no secret: set PILOTFISH_SECRET in the VM's environment or snapshot.secret, or every push is refused",
    );
  if (config.admission.mode == MODE_HOLD) {
    growQueue(config.admission.mostHeld);
    useSince();
  }
  needStateBytes(max(fieldsStateBytes(config.body.table), MULTIPART_STATE_BYTES));
  if (config.pick.readsPrompts) usePrefixes(config.pick.profile.kind == KIND_TOKENS ? BLOCK_BYTES : SMALL_BLOCK_BYTES);
  setSlowStart(config.pick.slowStart);
  if (config.pick.ignored.length)
    log(LOG_INFO, `pick.config: these plugins say nothing here: ${config.pick.ignored.join(", ")}`);
  const known = findRoot(id);
  if (known !== null) known.config = config;
  else roots.push(new Root(id, config));
  const root = findRoot(id)!;
  if (config.role == ROLE_HOLDER && root.queue == 0) root.queue = openQueue(randomSeed());
  hangUpBulletin();
  tickEvery(root, BUSY_TICK_MILLISECONDS);
  log(LOG_INFO, `configured, root ${id}`);
  return true;
}

/** In a callback of the root, or of one of its streams: its timer rings after this time, and again. */
export function tickEvery(root: Root, milliseconds: u32): void {
  if (root.tickPeriod == milliseconds || root.deleted) return;
  root.tickPeriod = milliseconds;
  setTickPeriod(milliseconds);
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
