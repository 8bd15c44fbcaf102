// Takes over a configuration, and prepares what its features need.
import { growQueue } from "../admission/queue";
import { useSince } from "../admission/since";
import { MODE_HOLD } from "../config/admission-config";
import { parseConfig, ROLE_HOLDER } from "../config/config";
import { Problems } from "../config/problems";
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
} from "../host/calls";
import { KIND_TOKENS } from "../pick/profile";
import { usesQueues } from "../pick/scorers";
import { fieldsStateBytes } from "../scan/json/fields";
import { MULTIPART_STATE_BYTES } from "../scan/multipart/multipart";
import { defineMetrics } from "../stats";
import { createNews } from "../workers/prefix-news";
import { createSummary } from "../workers/summary";
import { reportQueues } from "./reserved/traffic-report";
import { BUSY_TICK_MILLISECONDS, leaveGarbage, tickEvery, useConfig } from "./root";
import { openQueue } from "./setup/reader-holder";
import { needStateBytes } from "./streams";

/** Returns false for a configuration that the filter refuses. Envoy then rejects the listener, or keeps the old listener. */
export function configure(id: u32, length: u32): bool {
  leaveGarbage();
  defineMetrics();
  let text = "";
  if (length > 0 && getBuffer(PLUGIN_CONFIGURATION, 0, length))
    text = String.UTF8.decodeUnsafe(resultPointer(), resultLength());
  const problems = new Problems();
  const config = parseConfig(text, problems);
  if (config === null) {
    log(LOG_ERROR, problems.first);
    return false;
  }
  for (let i = 0; i < problems.warnings.length; i++) log(LOG_WARN, problems.warnings[i]);
  if (config.snapshot.secrets.length == 0 && config.role != ROLE_HOLDER)
    log(
      LOG_WARN,
      "no secret: set PILOTFISH_SECRET in the VM's environment or snapshot.secret, or every push is refused",
    );
  if (config.admission.mode == MODE_HOLD) {
    growQueue(config.admission.hold.maxRequests);
    useSince();
  }
  needStateBytes(max(fieldsStateBytes(config.body.table), MULTIPART_STATE_BYTES));
  if (config.pick.readsPrompts) {
    usePrefixes(config.pick.profile.kind == KIND_TOKENS ? BLOCK_BYTES : SMALL_BLOCK_BYTES);
    createNews();
  }
  if (usesQueues(config.pick.profile)) reportQueues();
  setSlowStart(config.pick.slowStart);
  if (config.pick.ignored.length)
    log(LOG_INFO, `pick.config: these plugins have no effect here: ${config.pick.ignored.join(", ")}`);
  const root = useConfig(id, config);
  if (config.role == ROLE_HOLDER && root.queue == 0) root.queue = openQueue(randomSeed());
  createSummary();
  tickEvery(root, BUSY_TICK_MILLISECONDS);
  log(LOG_INFO, `configured, root ${id}`);
  return true;
}
