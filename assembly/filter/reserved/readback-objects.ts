// Writes pools, objectives and rules of the current snapshot as JSON. For a snapshot without such a table nothing is written.
import { Writer } from "../../base/writer";
import {
  continuesRule,
  objectiveName,
  objectiveNameLength,
  objectivePool,
  objectivePriority,
  poolName,
  poolNameLength,
  ruleHasPriority,
  ruleName,
  ruleNameLength,
  rulePool,
  rulePriority,
  ruleTarget,
  ruleTargetLength,
  ruleWeight,
} from "../../snapshot/objects";
import { SnapshotView } from "../../snapshot/view";

/** Writes `,"pool":"<name>"`. `pool` is 1 + the index of a pool; for 0 nothing is written. */
export function writePool(w: Writer, view: SnapshotView, pool: u32): void {
  if (pool == 0) return;
  w.raw(',"pool":');
  writeName(w, poolName(view, pool - 1), poolNameLength(view, pool - 1));
}

export function writeObjects(w: Writer, view: SnapshotView): void {
  if (view.pools) {
    w.raw(',"pools":[');
    for (let i: u32 = 0; i < view.poolCount; i++) {
      w.raw(i > 0 ? ',{"name":' : '{"name":');
      writeName(w, poolName(view, i), poolNameLength(view, i));
      w.byte(0x7d);
    }
    w.byte(0x5d);
  }
  if (view.objectives) {
    w.raw(',"objectives":[');
    for (let i: u32 = 0; i < view.objectiveCount; i++) {
      w.raw(i > 0 ? ',{"name":' : '{"name":');
      writeName(w, objectiveName(view, i), objectiveNameLength(view, i));
      w.raw(',"priority":');
      writeSigned(w, objectivePriority(view, i));
      writePoolOrNull(w, view, objectivePool(view, i));
      w.byte(0x7d);
    }
    w.byte(0x5d);
  }
  if (view.rules) writeRules(w, view);
}

function writeRules(w: Writer, view: SnapshotView): void {
  w.raw(',"rules":[');
  for (let i: u32 = 0; i < view.ruleCount; i++) {
    if (continuesRule(view, i)) w.byte(0x2c);
    else {
      if (i > 0) w.raw("]},");
      w.raw('{"model":');
      if (ruleNameLength(view, i) == 0) w.raw("null");
      else writeName(w, ruleName(view, i), ruleNameLength(view, i));
      writePoolOrNull(w, view, rulePool(view, i));
      w.raw(',"priority":');
      if (ruleHasPriority(view, i)) writeSigned(w, rulePriority(view, i));
      else w.raw("null");
      w.raw(',"targets":[');
    }
    w.raw('{"model":');
    writeName(w, ruleTarget(view, i), ruleTargetLength(view, i));
    w.raw(',"weight":');
    w.number(ruleWeight(view, i));
    w.byte(0x7d);
  }
  w.raw(view.ruleCount > 0 ? "]}]" : "]");
}

/** Does the same as writePool(), but writes null for 0. */
function writePoolOrNull(w: Writer, view: SnapshotView, pool: u32): void {
  if (pool == 0) w.raw(',"pool":null');
  else writePool(w, view, pool);
}

function writeName(w: Writer, name: usize, length: u32): void {
  w.byte(0x22);
  w.escaped(name, length);
  w.byte(0x22);
}

function writeSigned(w: Writer, value: i32): void {
  if (value < 0) w.byte(0x2d);
  w.number(<u64>(value < 0 ? -(<i64>value) : <i64>value));
}
