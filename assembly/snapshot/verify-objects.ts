// Verifies the optional sections POOLS, OBJECTIVES and RULES, and the pools of endpoints and models.

import {
  MAX_MODEL_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
  MAX_TARGETS_OF_RULE,
  MAX_WEIGHT,
  OBJECTIVE_NAME_OFFSET,
  POOL_NAME_OFFSET,
  RULE_NAME_OFFSET,
  RULE_TARGET_OFFSET,
} from "../../protocol/constants";
import {
  BROKEN_OBJECTIVE_NAME,
  BROKEN_OBJECTIVE_ORDER,
  BROKEN_POOL_INDEX,
  BROKEN_POOL_NAME,
  BROKEN_POOL_ORDER,
  BROKEN_RULE_NAME,
  BROKEN_RULE_ORDER,
  BROKEN_RULE_PRIORITY,
  BROKEN_RULE_TARGET,
  BROKEN_RULE_TARGETS,
  BROKEN_RULE_WEIGHT,
  VALID,
} from "../../protocol/rules";
import { compareBytes } from "../base/bytes";
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
import { isNameAt } from "./valid-name";
import { SnapshotView } from "./view";

/** Returns VALID, or the number of the first broken rule. The endpoints and models must be verified before. */
export function verifyObjects(view: SnapshotView): u32 {
  const pools = verifyPools(view);
  if (pools != VALID) return pools;
  for (let i: u32 = 0; i < view.endpointCount; i++)
    if (endpointPool(view, i) > view.poolCount) return BROKEN_POOL_INDEX;
  for (let i: u32 = 0; i < view.modelCount; i++) if (modelPool(view, i) > view.poolCount) return BROKEN_POOL_INDEX;
  const objectives = verifyObjectives(view);
  return objectives != VALID ? objectives : verifyRules(view);
}

function verifyPools(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.poolCount; i++) {
    const length = poolNameLength(view, i);
    const offset = load<u32>(poolRecord(view, i), POOL_NAME_OFFSET);
    if (!isNameAt(view, offset, length, MAX_POOL_NAME_BYTES)) return BROKEN_POOL_NAME;
    if (i == 0) continue;
    const order = compareBytes(poolName(view, i - 1), poolNameLength(view, i - 1), poolName(view, i), length);
    if (order >= 0) return BROKEN_POOL_ORDER;
  }
  return VALID;
}

function verifyObjectives(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.objectiveCount; i++) {
    const length = objectiveNameLength(view, i);
    const offset = load<u32>(objectiveRecord(view, i), OBJECTIVE_NAME_OFFSET);
    if (!isNameAt(view, offset, length, MAX_MODEL_NAME_BYTES)) return BROKEN_OBJECTIVE_NAME;
    const pool = objectivePool(view, i);
    if (pool > view.poolCount) return BROKEN_POOL_INDEX;
    if (i == 0) continue;
    const before = objectiveName(view, i - 1);
    const order = compareBytes(before, objectiveNameLength(view, i - 1), objectiveName(view, i), length);
    if (order > 0 || (order == 0 && objectivePool(view, i - 1) >= pool)) return BROKEN_OBJECTIVE_ORDER;
  }
  return VALID;
}

function verifyRules(view: SnapshotView): u32 {
  let targets: u32 = 0;
  for (let i: u32 = 0; i < view.ruleCount; i++) {
    const length = ruleNameLength(view, i);
    const name = load<u32>(ruleRecord(view, i), RULE_NAME_OFFSET);
    if (length > 0 && !isNameAt(view, name, length, MAX_MODEL_NAME_BYTES)) return BROKEN_RULE_NAME;
    const target = load<u32>(ruleRecord(view, i), RULE_TARGET_OFFSET);
    if (!isNameAt(view, target, ruleTargetLength(view, i), MAX_MODEL_NAME_BYTES)) return BROKEN_RULE_TARGET;
    if (ruleWeight(view, i) > MAX_WEIGHT) return BROKEN_RULE_WEIGHT;
    if (rulePool(view, i) > view.poolCount) return BROKEN_POOL_INDEX;
    const order = i == 0 ? -1 : compareRules(view, i - 1, i);
    if (order > 0) return BROKEN_RULE_ORDER;
    targets = order == 0 ? targets + 1 : 1;
    if (targets > MAX_TARGETS_OF_RULE) return BROKEN_RULE_TARGETS;
    if (order != 0) continue;
    if (ruleHasPriority(view, i - 1) != ruleHasPriority(view, i)) return BROKEN_RULE_PRIORITY;
    if (ruleHasPriority(view, i) && rulePriority(view, i - 1) != rulePriority(view, i)) return BROKEN_RULE_PRIORITY;
  }
  return VALID;
}
