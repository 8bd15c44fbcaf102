// Writes pools, objectives, rules and tokenizers of the current snapshot as JSON. For a snapshot without such a table nothing is written.
import { BYTE_CLASSES, TOKENIZER_MODEL, TOKENIZER_PER_BYTE, TOKENIZER_PER_REQUEST } from "../../../protocol/constants";
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
  if (view.tokenizers) writeTokenizers(w, view);
}

function writeTokenizers(w: Writer, view: SnapshotView): void {
  w.raw(',"tokenizers":[');
  for (let i: u32 = 0; i < view.tokenizerCount; i++) {
    const tokenizer = view.tokenizer(i);
    const model = load<u32>(tokenizer, TOKENIZER_MODEL);
    w.raw(i > 0 ? ',{"model":' : '{"model":');
    writeName(w, view.modelName(model), view.modelNameLength(model));
    w.raw(',"tokensPerRequest":');
    w.decimal(load<f32>(tokenizer, TOKENIZER_PER_REQUEST));
    w.raw(',"tokensPerByte":[');
    for (let k: u32 = 0; k < BYTE_CLASSES; k++) {
      if (k > 0) w.byte(0x2c);
      w.decimal(load<f32>(tokenizer + k * 4, TOKENIZER_PER_BYTE));
    }
    w.raw("]}");
  }
  w.byte(0x5d);
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
