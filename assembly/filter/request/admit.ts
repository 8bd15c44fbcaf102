// Decides whether a request may go on now. At saturation a request with a priority below 0 is refused, and mode `hold` lets any
// other request wait for room (hold.ts). All other requests are admitted. decide.ts asks this file only while the filter picks by
// the snapshot. So without a snapshot, or while a stale snapshot is not used, no request is held or shed. decide.ts refuses unknown
// models (`models.unknown`) before that, also by a stale snapshot.
import { objectiveHash, objectivePriorityOf } from "../../admission/objectives";
import { findScope } from "../../admission/queue";
import { textHash } from "../../base/hash";
import { AdmissionConfig, MODE_HOLD, MODE_OFF } from "../../config/admission-config";
import { Config } from "../../config/config";
import { current } from "../../snapshot/current";
import { modelPool } from "../../snapshot/objects";
import { SHED } from "../../stats";
import { HEAD_FAIRNESS, HEAD_OBJECTIVE, headHas, headLength, headPointer } from "../headers/request-head";
import { NAMED_PRIORITY, Stream } from "../streams";
import { hold } from "./hold";
import { refuseSaturated } from "./refuse-busy";
import { scopeKey, scopeSaturation } from "./scope";

/** Call after readHead(). Reads the objective and the fairness id that the request's headers name. */
export function readAdmissionHead(stream: Stream): void {
  if (headHas(HEAD_OBJECTIVE))
    stream.objective = objectiveHash(headPointer(HEAD_OBJECTIVE), headLength(HEAD_OBJECTIVE));
  if (headHas(HEAD_FAIRNESS)) stream.fairness = textHash(headPointer(HEAD_FAIRNESS), headLength(HEAD_FAIRNESS));
}

/**
 * Returns true when the request may go on, and false when it was refused or waits. `model` is the model's index in the current
 * snapshot. The filter must pick by this snapshot.
 */
export function admit(stream: Stream, config: Config, model: u32): bool {
  const admission = config.admission;
  if (admission.mode == MODE_OFF || config.pick.dryRun) return true;
  const view = current();
  stream.priority = priorityOf(stream, admission, model);
  const holds = admission.mode == MODE_HOLD;
  if (stream.priority >= 0 && !holds) return true;
  stream.scope = scopeKey(view, model);
  // A request never overtakes requests that wait for the same room.
  const queued = holds && findScope(stream.scope) !== null;
  if (!queued && scopeSaturation(stream.scope, admission, view, model) < 1) return true;
  if (stream.priority < 0) {
    refuseSaturated(stream, admission, SHED);
    return false;
  }
  hold(stream, admission);
  return false;
}

/** Returns the priority of the objective that the request names, else of the rule for the model's name, else 0. */
function priorityOf(stream: Stream, admission: AdmissionConfig, model: u32): i32 {
  if (stream.objective == 0) return stream.named & NAMED_PRIORITY ? stream.priority : 0;
  for (let i = 0; i < admission.objectives.hashes.length; i++) {
    if (unchecked(admission.objectives.hashes[i]) == stream.objective)
      return unchecked(admission.objectives.priorities[i]);
  }
  return objectivePriorityOf(current(), stream.objective, modelPool(current(), model));
}
