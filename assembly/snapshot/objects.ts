// Accessors of POOLS, OBJECTIVES and RULES in a verified snapshot, like those of view.ts. An absent section has no records.

import {
  ENDPOINT_POOL,
  MODEL_POOL,
  OBJECTIVE_NAME_LENGTH,
  OBJECTIVE_NAME_OFFSET,
  OBJECTIVE_POOL,
  OBJECTIVE_PRIORITY,
  POOL_NAME_LENGTH,
  POOL_NAME_OFFSET,
  RULE_FLAGS,
  RULE_HAS_PRIORITY,
  RULE_NAME_LENGTH,
  RULE_NAME_OFFSET,
  RULE_POOL,
  RULE_PRIORITY,
  RULE_TARGET_LENGTH,
  RULE_TARGET_OFFSET,
  RULE_WEIGHT,
} from "../../protocol/constants";
import { compareBytes } from "../base/bytes";
import { NONE, SnapshotView } from "./view";

/** 1 + the index of the endpoint's pool; 0 if the endpoint belongs to no pool. */
export function endpointPool(view: SnapshotView, endpoint: u32): u32 {
  return load<u32>(view.endpoint(endpoint), ENDPOINT_POOL);
}
/** 1 + the index of the only pool that serves a model; 0 if no pool or several pools serve the model. */
export function modelPool(view: SnapshotView, model: u32): u32 {
  return load<u32>(view.model(model), MODEL_POOL);
}

export function poolRecord(view: SnapshotView, index: u32): usize {
  return view.pools + index * view.poolStride;
}
export function poolName(view: SnapshotView, index: u32): usize {
  return view.strings + load<u32>(poolRecord(view, index), POOL_NAME_OFFSET);
}
export function poolNameLength(view: SnapshotView, index: u32): u32 {
  return load<u16>(poolRecord(view, index), POOL_NAME_LENGTH);
}

export function objectiveRecord(view: SnapshotView, index: u32): usize {
  return view.objectives + index * view.objectiveStride;
}
export function objectiveName(view: SnapshotView, index: u32): usize {
  return view.strings + load<u32>(objectiveRecord(view, index), OBJECTIVE_NAME_OFFSET);
}
export function objectiveNameLength(view: SnapshotView, index: u32): u32 {
  return load<u16>(objectiveRecord(view, index), OBJECTIVE_NAME_LENGTH);
}
export function objectivePool(view: SnapshotView, index: u32): u32 {
  return load<u32>(objectiveRecord(view, index), OBJECTIVE_POOL);
}
export function objectivePriority(view: SnapshotView, index: u32): i32 {
  return load<i32>(objectiveRecord(view, index), OBJECTIVE_PRIORITY);
}

export function ruleRecord(view: SnapshotView, index: u32): usize {
  return view.rules + index * view.ruleStride;
}
/** The name that requests ask for. Its length is 0 if the rule is for any name. */
export function ruleName(view: SnapshotView, index: u32): usize {
  return view.strings + load<u32>(ruleRecord(view, index), RULE_NAME_OFFSET);
}
export function ruleNameLength(view: SnapshotView, index: u32): u32 {
  return load<u16>(ruleRecord(view, index), RULE_NAME_LENGTH);
}
export function ruleTarget(view: SnapshotView, index: u32): usize {
  return view.strings + load<u32>(ruleRecord(view, index), RULE_TARGET_OFFSET);
}
export function ruleTargetLength(view: SnapshotView, index: u32): u32 {
  return load<u16>(ruleRecord(view, index), RULE_TARGET_LENGTH);
}
export function ruleWeight(view: SnapshotView, index: u32): u32 {
  return load<u32>(ruleRecord(view, index), RULE_WEIGHT);
}
export function rulePool(view: SnapshotView, index: u32): u32 {
  return load<u32>(ruleRecord(view, index), RULE_POOL);
}
export function ruleHasPriority(view: SnapshotView, index: u32): bool {
  return (load<u16>(ruleRecord(view, index), RULE_FLAGS) & RULE_HAS_PRIORITY) != 0;
}
export function rulePriority(view: SnapshotView, index: u32): i32 {
  return load<i32>(ruleRecord(view, index), RULE_PRIORITY);
}

/** Whether a record belongs to the same rule as the record before it. */
export function continuesRule(view: SnapshotView, index: u32): bool {
  return index > 0 && compareRules(view, index - 1, index) == 0;
}

/** Compares two records by name, then by pool. Returns a number below 0, 0 or a number above 0. */
export function compareRules(view: SnapshotView, a: u32, b: u32): i32 {
  const order = compareBytes(ruleName(view, a), ruleNameLength(view, a), ruleName(view, b), ruleNameLength(view, b));
  if (order != 0) return order;
  return rulePool(view, a) < rulePool(view, b) ? -1 : rulePool(view, a) > rulePool(view, b) ? 1 : 0;
}

/**
 * First record of the rule for a name and a pool. A `length` of 0 asks for the rule for any name. A rule for the pool beats a rule
 * for all pools. If `pool` is 0, the request's pool is not known, and the first rule for the name is found. NONE if no rule fits.
 */
export function findRule(view: SnapshotView, name: usize, length: u32, pool: u32): u32 {
  let low: u32 = 0;
  let high = view.ruleCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(ruleName(view, middle), ruleNameLength(view, middle), name, length) < 0) low = middle + 1;
    else high = middle;
  }
  let general = NONE;
  for (let i = low; i < view.ruleCount; i++) {
    if (compareBytes(ruleName(view, i), ruleNameLength(view, i), name, length) != 0) break;
    const owner = rulePool(view, i);
    if (owner == pool || pool == 0) return i;
    if (owner == 0 && general == NONE) general = i;
  }
  return general;
}
