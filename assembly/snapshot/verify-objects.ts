// The rules of POOLS, OBJECTIVES and RULES: verify.ts calls these for a snapshot whose directory is sound.
import {
  MAX_MODEL_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
  MAX_RULE_WEIGHT,
  MAX_TARGETS_OF_RULE,
  OBJECTIVE_NAME_OFFSET,
  POOL_NAME_OFFSET,
  RULE_NAME_OFFSET,
  RULE_TARGET_OFFSET,
} from "../../protocol/constants";
import { isName } from "./name";
import {
  compareRules,
  endpointPool,
  modelPool,
  objectiveName,
  objectiveNameLength,
  objectivePool,
  objectiveRecord,
  poolName,
  poolNameLength,
  poolRecord,
  ruleHasPriority,
  ruleNameLength,
  rulePool,
  rulePriority,
  ruleRecord,
  ruleTargetLength,
  ruleWeight,
} from "./objects";
import { compareBytes, SnapshotView } from "./view";

/** 0, or the number of the broken rule (verify.ts ruleText()). */
export function verifyObjects(view: SnapshotView): u32 {
  const pools = verifyPools(view);
  if (pools != 0) return pools;
  for (let i: u32 = 0; i < view.endpointCount; i++) if (endpointPool(view, i) > view.poolCount) return 31;
  for (let i: u32 = 0; i < view.modelCount; i++) if (modelPool(view, i) > view.poolCount) return 31;
  const objectives = verifyObjectives(view);
  return objectives != 0 ? objectives : verifyRules(view);
}

/** The offset is read from the record: an address made of it might wrap. */
function verifyText(view: SnapshotView, offset: u32, length: u32, most: u32): u32 {
  if (length == 0 || length > most || <u64>offset + length > view.stringBytes) return 26;
  return isName(view.strings + offset, length) ? 0 : 27;
}

function verifyPools(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.poolCount; i++) {
    const length = poolNameLength(view, i);
    const text = verifyText(view, load<u32>(poolRecord(view, i), POOL_NAME_OFFSET), length, MAX_POOL_NAME_BYTES);
    if (text != 0) return text;
    if (i == 0) continue;
    if (compareBytes(poolName(view, i - 1), poolNameLength(view, i - 1), poolName(view, i), length) >= 0) return 28;
  }
  return 0;
}

function verifyObjectives(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.objectiveCount; i++) {
    const length = objectiveNameLength(view, i);
    const offset = load<u32>(objectiveRecord(view, i), OBJECTIVE_NAME_OFFSET);
    const text = verifyText(view, offset, length, MAX_MODEL_NAME_BYTES);
    if (text != 0) return text;
    const pool = objectivePool(view, i);
    if (pool > view.poolCount) return 31;
    if (i == 0) continue;
    const before = objectiveName(view, i - 1);
    const order = compareBytes(before, objectiveNameLength(view, i - 1), objectiveName(view, i), length);
    if (order > 0 || (order == 0 && objectivePool(view, i - 1) >= pool)) return 29;
  }
  return 0;
}

function verifyRules(view: SnapshotView): u32 {
  let targets: u32 = 0;
  for (let i: u32 = 0; i < view.ruleCount; i++) {
    const length = ruleNameLength(view, i);
    if (length > 0) {
      const text = verifyText(view, load<u32>(ruleRecord(view, i), RULE_NAME_OFFSET), length, MAX_MODEL_NAME_BYTES);
      if (text != 0) return text;
    }
    const offset = load<u32>(ruleRecord(view, i), RULE_TARGET_OFFSET);
    const target = verifyText(view, offset, ruleTargetLength(view, i), MAX_MODEL_NAME_BYTES);
    if (target != 0) return target;
    if (ruleWeight(view, i) > MAX_RULE_WEIGHT) return 32;
    if (rulePool(view, i) > view.poolCount) return 31;
    const order = i == 0 ? -1 : compareRules(view, i - 1, i);
    if (order > 0) return 30;
    targets = order == 0 ? targets + 1 : 1;
    if (targets > MAX_TARGETS_OF_RULE) return 32;
    if (order != 0) continue;
    if (ruleHasPriority(view, i - 1) != ruleHasPriority(view, i)) return 32;
    if (ruleHasPriority(view, i) && rulePriority(view, i - 1) != rulePriority(view, i)) return 32;
  }
  return 0;
}
