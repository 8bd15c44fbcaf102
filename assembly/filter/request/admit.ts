// Whether a request may go on now: it is let through, refused where its pool is saturated and its priority is below 0, or
// held back until there is room (hold.ts). Without a fresh snapshot nobody is refused or held: what is not known stops no
// request.
import { objectiveHash, objectivePriorityOf } from "../../admission/objectives";
import { findScope } from "../../admission/queue";
import { measure, toShed } from "../../admission/saturation";
import { useSince } from "../../admission/since";
import { mix, textHash } from "../../base/hash";
import { AdmissionConfig, MODE_HOLD, MODE_OFF } from "../../config/admission";
import { Config } from "../../config/config";
import { REQUEST_HEADERS, removeHeader } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { ageMilliseconds, current } from "../../snapshot/current";
import { modelPool, poolName, poolNameLength } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";
import { SHED } from "../../stats";
import { FAIRNESS, OBJECTIVE } from "../headers/names";
import { HEAD_FAIRNESS, HEAD_OBJECTIVE, headHas, headLength, headPointer } from "../headers/request-head";
import { NAMED_PRIORITY, Stream } from "../streams";
import { hold } from "./hold";
import { refuseSaturated } from "./refuse-busy";

export const ADMITTED: u32 = 0;
export const HELD: u32 = 1;
export const REFUSED: u32 = 2;

/** A pool of more endpoints is measured once a tick, not for every request. */
const MEASURED_ALWAYS: u32 = 64;
/** u64 scope, u64 tick, f32 saturation: measured last, a scope's place follows from its key. */
const CACHED: u32 = 64;
const cache: usize = memory.data(1536, 8);

/** After readHead(): whose request it is, and which objective it names. */
export function readAdmissionHead(stream: Stream): void {
  if (headHas(HEAD_OBJECTIVE))
    stream.objective = objectiveHash(headPointer(HEAD_OBJECTIVE), headLength(HEAD_OBJECTIVE));
  if (headHas(HEAD_FAIRNESS)) stream.fairness = textHash(headPointer(HEAD_FAIRNESS), headLength(HEAD_FAIRNESS));
}

/** The pod needs to know neither. */
export function stripAdmissionHead(config: AdmissionConfig): void {
  if (!config.strip) return;
  if (headHas(HEAD_OBJECTIVE)) removeHeader(REQUEST_HEADERS, OBJECTIVE);
  if (headHas(HEAD_FAIRNESS)) removeHeader(REQUEST_HEADERS, FAIRNESS);
}

/** `model`: in the current snapshot, which is fresh. */
export function admit(stream: Stream, config: Config, model: u32): u32 {
  const admission = config.admission;
  if (admission.mode == MODE_OFF || config.pick.dryRun) return ADMITTED;
  const view = current();
  const place = modelPool(view, model);
  stream.priority = priorityOf(stream, admission, view, place);
  const holds = admission.mode == MODE_HOLD;
  if (stream.priority >= 0 && !holds) return ADMITTED;
  stream.scope = scopeKey(view, place, model);
  const queued = holds && findScope(stream.scope) !== null;
  // Who comes later never overtakes those that wait for the same room.
  if (!queued && saturation(stream, admission, view, place, model) < 1) return ADMITTED;
  if (stream.priority < 0) {
    refuseSaturated(stream, admission, SHED);
    return REFUSED;
  }
  return hold(stream, admission) ? HELD : REFUSED;
}

/** By the objective that the request names, else by the rule for its model's name, else 0. */
function priorityOf(stream: Stream, admission: AdmissionConfig, view: SnapshotView, place: u32): i32 {
  if (stream.objective == 0) return stream.named & NAMED_PRIORITY ? stream.priority : 0;
  for (let i = 0; i < admission.hashes.length; i++) {
    if (unchecked(admission.hashes[i]) == stream.objective) return unchecked(admission.priorities[i]);
  }
  return objectivePriorityOf(view, stream.objective, place);
}

/** A pool's name; where the model is of none, its base model, whose adapters wait for the same endpoints. Never 0. */
function scopeKey(view: SnapshotView, place: u32, model: u32): u64 {
  if (place > 0) return mix(textHash(poolName(view, place - 1), poolNameLength(view, place - 1)) ^ POOL) | 1;
  const base = view.modelBase(model);
  const owner = base == NONE ? model : base;
  return textHash(view.modelName(owner), view.modelNameLength(owner));
}

const POOL: u64 = 0x706f6f6c;

function saturation(stream: Stream, admission: AdmissionConfig, view: SnapshotView, place: u32, model: u32): f32 {
  useSince();
  const age = ageMilliseconds(tickTime());
  if (view.endpointCount <= MEASURED_ALWAYS) {
    measure(view, place, measuredModel(view, model), admission.limits, age, tickTime());
    return toShed;
  }
  const key = stream.scope ^ mix(changetype<usize>(admission.limits));
  const at = cache + (<u32>(key >> 32) % CACHED) * 24;
  if (load<u64>(at) == key && load<u64>(at, 8) == tickTime()) return load<f32>(at, 16);
  measure(view, place, measuredModel(view, model), admission.limits, age, tickTime());
  store<u64>(at, key);
  store<u64>(at, tickTime(), 8);
  store<f32>(at, toShed, 16);
  return toShed;
}

/** Whose endpoints a scope without a pool stands for. */
export function measuredModel(view: SnapshotView, model: u32): u32 {
  const base = view.modelBase(model);
  return base == NONE ? model : base;
}
