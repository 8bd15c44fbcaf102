// Scopes. A scope is a set of endpoints whose room requests share: a pool, or the endpoints of a base model that has no pool. An
// adapter without a pool belongs to its base model's scope, because both are served by the same endpoints.
import { measure, Saturation } from "../../admission/saturation";
import { useSince } from "../../admission/since";
import { mix, textHash } from "../../base/hash";
import { AdmissionConfig } from "../../config/admission-config";
import { tickTime } from "../../host/tick-time";
import { ageMilliseconds } from "../../snapshot/current";
import { modelPool, poolName, poolNameLength } from "../../snapshot/objects";
import { NONE, SnapshotView } from "../../snapshot/view";

/** When the snapshot has more endpoints than this, a scope is measured once per tick and not for each request. */
const MAX_MEASURED_ALWAYS: u32 = 64;
const MEASURED: u32 = 64;
/** Makes a pool's key differ from the key of a model that has the same name. */
const POOL: u64 = 0x706f6f6c;

/** A scope that was measured lately. */
@unmanaged
class Measured {
  /** Hash of the scope and its limits. */
  key: u64 = 0;
  /** The value of tickTime() when the scope was measured. */
  tick: u64 = 0;
  saturation: f32 = 0;
}

/** The table of measured scopes. The key chooses the record, and a later scope overwrites an earlier one. */
const measured: usize = memory.data(MEASURED * offsetof<Measured>(), 8);

/** Returns the key of the scope that a model of the snapshot belongs to. Never 0. */
export function scopeKey(view: SnapshotView, model: u32): u64 {
  const pool = modelPool(view, model);
  if (pool > 0) return mix(textHash(poolName(view, pool - 1), poolNameLength(view, pool - 1)) ^ POOL) | 1;
  const owner = measuredModel(view, model);
  return textHash(view.modelName(owner), view.modelNameLength(owner));
}

/** Returns the saturation of the model's scope, whose key is `key`. A scope with a saturation of 1 or more has no room. */
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

/** Calls measure() for the scope of a model. `age` is the snapshot's age, ms. */
export function measureScope(admission: AdmissionConfig, view: SnapshotView, model: u32, age: u64): Saturation {
  return measure(view, modelPool(view, model), measuredModel(view, model), admission.limits, age, tickTime());
}

/** Returns the model whose endpoints make up a scope without a pool. */
function measuredModel(view: SnapshotView, model: u32): u32 {
  const base = view.modelBase(model);
  return base == NONE ? model : base;
}
