// Checks pools, objectives and rules for names, as a part of check-snapshot.ts.

import {
  MAX_OBJECTIVES,
  MAX_POOL_NAME_BYTES,
  MAX_POOLS,
  MAX_RULE_TARGETS,
  MAX_TARGETS_OF_RULE,
  MAX_WEIGHT,
} from "./constants.ts";
import { nameProblem } from "./grammar.ts";
import {
  BROKEN_OBJECTIVE_NAME,
  BROKEN_OBJECTIVE_ORDER,
  BROKEN_POOL_INDEX,
  BROKEN_POOL_NAME,
  BROKEN_POOL_ORDER,
  BROKEN_RULE_NAME,
  BROKEN_RULE_ORDER,
  BROKEN_RULE_TARGET,
  BROKEN_RULE_TARGETS,
  BROKEN_RULE_WEIGHT,
  BROKEN_SECTION_RECORDS,
  VALID,
} from "./rules.ts";
import type { RuleView, SnapshotView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

function refuse(rule: number, field: string, value: unknown, expected: string): never {
  throw new SnapshotError(rule, field, value, expected);
}

function checkPriority(field: string, priority: number): void {
  if ((priority | 0) !== priority) refuse(VALID, field, priority, "an integer of 32 bits");
}

/** Throws a SnapshotError at the first broken rule. */
export function checkObjects(view: SnapshotView): void {
  const { pools = [], objectives = [], rules = [] } = view;
  if (pools.length > MAX_POOLS) refuse(BROKEN_SECTION_RECORDS, "pools.length", pools.length, `at most ${MAX_POOLS}`);
  if (objectives.length > MAX_OBJECTIVES) {
    refuse(BROKEN_SECTION_RECORDS, "objectives.length", objectives.length, `at most ${MAX_OBJECTIVES}`);
  }
  const names = new Set<string>();
  for (const [i, { name }] of pools.entries()) {
    const problem = nameProblem(name, MAX_POOL_NAME_BYTES);
    if (problem !== null) refuse(BROKEN_POOL_NAME, `pools[${i}].name`, name, problem);
    if (names.has(name)) refuse(BROKEN_POOL_ORDER, `pools[${i}].name`, name, "a name that is not listed twice");
    names.add(name);
  }
  const known = (field: string, pool: string | null | undefined): void => {
    if (pool != null && !names.has(pool)) refuse(BROKEN_POOL_INDEX, field, pool, "a listed pool");
  };
  for (const [i, endpoint] of view.endpoints.entries()) known(`endpoints[${i}].pool`, endpoint.pool);
  for (const [i, model] of view.models.entries()) known(`models[${i}].pool`, model.pool);

  const seen = new Set<string>();
  for (const [i, { name, priority, pool }] of objectives.entries()) {
    const problem = nameProblem(name);
    if (problem !== null) refuse(BROKEN_OBJECTIVE_NAME, `objectives[${i}].name`, name, problem);
    checkPriority(`objectives[${i}].priority`, priority);
    known(`objectives[${i}].pool`, pool);
    const key = `${pool ?? ""}\n${name}`;
    if (seen.has(key))
      refuse(BROKEN_OBJECTIVE_ORDER, `objectives[${i}].name`, name, "a name that is listed once for a pool");
    seen.add(key);
  }
  checkRules(rules, known);
}

function checkRules(rules: readonly RuleView[], known: (field: string, pool: string | null) => void): void {
  const seen = new Set<string>();
  let total = 0;
  for (const [i, { model, pool, priority, targets }] of rules.entries()) {
    const problem = model === null ? null : nameProblem(model);
    if (problem !== null) refuse(BROKEN_RULE_NAME, `rules[${i}].model`, model, problem);
    known(`rules[${i}].pool`, pool);
    if (priority !== null) checkPriority(`rules[${i}].priority`, priority);
    const key = `${pool ?? ""}\n${model ?? ""}`;
    if (seen.has(key)) refuse(BROKEN_RULE_ORDER, `rules[${i}].model`, model, "one rule for a name and a pool");
    seen.add(key);
    if (targets.length < 1 || targets.length > MAX_TARGETS_OF_RULE) {
      refuse(BROKEN_RULE_TARGETS, `rules[${i}].targets.length`, targets.length, `1...${MAX_TARGETS_OF_RULE}`);
    }
    for (const [j, target] of targets.entries()) {
      const wrong = nameProblem(target.model);
      if (wrong !== null) refuse(BROKEN_RULE_TARGET, `rules[${i}].targets[${j}].model`, target.model, wrong);
      const { weight } = target;
      if (!Number.isInteger(weight) || weight < 0 || weight > MAX_WEIGHT) {
        refuse(BROKEN_RULE_WEIGHT, `rules[${i}].targets[${j}].weight`, weight, `an integer 0...${MAX_WEIGHT}`);
      }
    }
    total += targets.length;
  }
  if (total > MAX_RULE_TARGETS)
    refuse(BROKEN_SECTION_RECORDS, "rules[].targets in all", total, `at most ${MAX_RULE_TARGETS}`);
}
