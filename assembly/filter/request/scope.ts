// Whose room a request needs: that of its model's pool. A model without a pool shares its base model's room, because both
// wait for the same endpoints.
import { measure, Saturation } from "../../admission/saturation";
import { useSince } from "../../admission/since";
import { mix, textHash } from "../../base/hash";
import { AdmissionConfig } from "../../config/admission-config";
import { tickTime } from "../../host/tick-time";
import { ageMilliseconds } from "../../snapshot/current";
import { modelPool, poolName, poolNameLength } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";

/** With more endpoints than these in the snapshot a scope is measured once a tick, not for every request. */
const MAX_MEASURED_ALWAYS: u32 = 64;
const MEASURED: u32 = 64;
/** Keeps a pool's key apart from that of a model of the same name. */
const POOL: u64 = 0x706f6f6c;

/** A scope that was measured lately. */
@unmanaged
class Measured {
  /** Hash of the scope and its limits. */
  key: u64 = 0;
  /** tickTime() when it was measured. */
  tick: u64 = 0;
  saturation: f32 = 0;
}

/** A scope's record follows from its key. */
const measured: usize = memory.data(MEASURED * offsetof<Measured>(), 8);

/** Hash of the name that a scope goes by, for a model of the snapshot. Never 0. */
export function scopeKey(view: SnapshotView, model: u32): u64 {
  const pool = modelPool(view, model);
  if (pool > 0) return mix(textHash(poolName(view, pool - 1), poolNameLength(view, pool - 1)) ^ POOL) | 1;
  const owner = measuredModel(view, model);
  return textHash(view.modelName(owner), view.modelNameLength(owner));
}

/** Saturation of the scope with this key, to which the model belongs; from 1 on it has no room. */
export function scopeSaturation(key: u64, admission: AdmissionConfig, view: SnapshotView, model: u32): f32 {
  useSince();
  if (view.endpointCount <= MAX_MEASURED_ALWAYS)
    return measureScope(admission, view, model, ageMilliseconds(tickTime())).toShed;
  const own = key ^ mix(changetype<usize>(admission.limits));
  const record = changetype<Measured>(measured + (<u32>(own >> 32) % MEASURED) * offsetof<Measured>());
  if (record.key == own && record.tick == tickTime()) return record.saturation;
  record.key = own;
  record.tick = tickTime();
  record.saturation = measureScope(admission, view, model, ageMilliseconds(tickTime())).toShed;
  return record.saturation;
}

/** measure() for the scope of a model; `age` of the snapshot, ms. */
export function measureScope(admission: AdmissionConfig, view: SnapshotView, model: u32, age: u64): Saturation {
  return measure(view, modelPool(view, model), measuredModel(view, model), admission.limits, age, tickTime());
}

/** Whose endpoints a scope without a pool stands for. */
function measuredModel(view: SnapshotView, model: u32): u32 {
  const base = view.modelBase(model);
  return base == NONE ? model : base;
}
