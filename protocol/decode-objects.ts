// Decodes and checks the optional sections POOLS, OBJECTIVES and RULES.

import { isUtf8 } from "node:buffer";
import * as c from "./constants.ts";
import type { Section, Strings } from "./decode-directory.ts";
import { nameProblem } from "./grammar.ts";
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
} from "./rules.ts";
import type { ObjectiveView, PoolView, RuleView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

function nameOf(
  rule: number,
  texts: Strings,
  field: string,
  range: readonly [offset: number, length: number],
  max: number,
): Buffer {
  const bytes = texts.get(rule, field, range[0], range[1], max);
  if (!isUtf8(bytes)) throw new SnapshotError(rule, field, bytes.toString("latin1"), "valid UTF-8");
  const problem = nameProblem(bytes.toString("utf8"), max);
  if (problem !== null) throw new SnapshotError(rule, field, bytes.toString("utf8"), problem);
  return bytes;
}

export function readPools(view: DataView, section: Section, texts: Strings): PoolView[] {
  let before: Buffer | null = null;
  return Array.from({ length: section.records }, (_, i) => {
    const at = section.offset + i * section.stride;
    const range = [
      view.getUint32(at + c.POOL_NAME_OFFSET, true),
      view.getUint16(at + c.POOL_NAME_LENGTH, true),
    ] as const;
    const name = nameOf(BROKEN_POOL_NAME, texts, `pools[${i}].name`, range, c.MAX_POOL_NAME_BYTES);
    if (before !== null && before.compare(name) >= 0) {
      throw new SnapshotError(
        BROKEN_POOL_ORDER,
        `pools[${i}].name`,
        name.toString(),
        `bytes strictly above ${before.toString()}`,
      );
    }
    before = name;
    return { name: name.toString("utf8") };
  });
}

/** Returns the name of a pool. `poolField` is 1 + the pool's index; for 0 the function returns null. */
export function poolAt(pools: readonly PoolView[] | undefined, field: string, poolField: number): string | null {
  if (poolField === 0) return null;
  const pool = pools?.[poolField - 1];
  if (pool === undefined)
    throw new SnapshotError(BROKEN_POOL_INDEX, field, poolField, `at most ${pools?.length ?? 0}, the pools`);
  return pool.name;
}

export function readObjectives(
  view: DataView,
  section: Section,
  texts: Strings,
  pools: readonly PoolView[] | undefined,
): ObjectiveView[] {
  let before: { name: Buffer; pool: number } | null = null;
  return Array.from({ length: section.records }, (_, i) => {
    const at = section.offset + i * section.stride;
    const field = `objectives[${i}]`;
    const range = [
      view.getUint32(at + c.OBJECTIVE_NAME_OFFSET, true),
      view.getUint16(at + c.OBJECTIVE_NAME_LENGTH, true),
    ] as const;
    const name = nameOf(BROKEN_OBJECTIVE_NAME, texts, `${field}.name`, range, c.MAX_MODEL_NAME_BYTES);
    const pool = view.getUint32(at + c.OBJECTIVE_POOL, true);
    const poolName = poolAt(pools, `${field}.pool`, pool);
    if (before !== null && (before.name.compare(name) || before.pool - pool) >= 0) {
      throw new SnapshotError(
        BROKEN_OBJECTIVE_ORDER,
        `${field}.name`,
        name.toString(),
        "objectives strictly ascending by name and pool",
      );
    }
    before = { name, pool };
    return { name: name.toString("utf8"), priority: view.getInt32(at + c.OBJECTIVE_PRIORITY, true), pool: poolName };
  });
}

export function readRules(
  view: DataView,
  section: Section,
  texts: Strings,
  pools: readonly PoolView[] | undefined,
): RuleView[] {
  const rules: RuleView[] = [];
  let before: { name: Buffer; pool: number; rule: RuleView } | null = null;
  for (let i = 0; i < section.records; i++) {
    const at = section.offset + i * section.stride;
    const field = `rules[${i}]`;
    const length = view.getUint16(at + c.RULE_NAME_LENGTH, true);
    const range = [view.getUint32(at + c.RULE_NAME_OFFSET, true), length] as const;
    const name =
      length === 0 ? Buffer.alloc(0) : nameOf(BROKEN_RULE_NAME, texts, `${field}.model`, range, c.MAX_MODEL_NAME_BYTES);
    const targetRange = [
      view.getUint32(at + c.RULE_TARGET_OFFSET, true),
      view.getUint16(at + c.RULE_TARGET_LENGTH, true),
    ] as const;
    const target = nameOf(BROKEN_RULE_TARGET, texts, `${field}.target`, targetRange, c.MAX_MODEL_NAME_BYTES).toString(
      "utf8",
    );
    const weight = view.getUint32(at + c.RULE_WEIGHT, true);
    if (weight > c.MAX_WEIGHT)
      throw new SnapshotError(BROKEN_RULE_WEIGHT, `${field}.weight`, weight, `at most ${c.MAX_WEIGHT}`);
    const poolField = view.getUint32(at + c.RULE_POOL, true);
    const pool = poolAt(pools, `${field}.pool`, poolField);
    const flags = view.getUint16(at + c.RULE_FLAGS, true);
    const priority = flags & c.RULE_HAS_PRIORITY ? view.getInt32(at + c.RULE_PRIORITY, true) : null;
    const order = before === null ? -1 : before.name.compare(name) || before.pool - poolField;
    if (order > 0) {
      throw new SnapshotError(
        BROKEN_RULE_ORDER,
        `${field}.model`,
        name.toString(),
        "rules ascending by model and pool",
      );
    }
    if (order === 0 && before !== null) {
      if (before.rule.priority !== priority) {
        throw new SnapshotError(
          BROKEN_RULE_PRIORITY,
          `${field}.priority`,
          priority,
          "the same one for all targets of a rule",
        );
      }
      before.rule.targets.push({ model: target, weight });
      if (before.rule.targets.length > c.MAX_TARGETS_OF_RULE) {
        throw new SnapshotError(
          BROKEN_RULE_TARGETS,
          `${field}.target`,
          before.rule.targets.length,
          `at most ${c.MAX_TARGETS_OF_RULE}`,
        );
      }
      continue;
    }
    const model = length === 0 ? null : name.toString("utf8");
    const rule: RuleView = { model, pool, priority, targets: [{ model: target, weight }] };
    before = { name, pool: poolField, rule };
    rules.push(rule);
  }
  return rules;
}
