// Turns the cluster's objects into the pools, objectives and rules of a snapshot. Each object means what it means in the
// Gateway API Inference Extension. In the extension each pool has a picker, which sees only the objects of its pool. A
// snapshot has all pools, so each entry names its pool.
//
//   InferenceObjective      -> objective: name, priority
//   InferenceModelRewrite   -> rules: a rule for a name beats a rule for any name; the oldest rewrite wins; within a rewrite
//                              the first rule wins
//   InferenceModel          -> rule: to its targetModels, or to its own name; its criticality is the priority of requests for its name
//   bbr-managed ConfigMap   -> base of an adapter, if pods do not list a parent
import {
  MAX_MODEL_NAME_BYTES,
  MAX_OBJECTIVES,
  MAX_POOLS,
  MAX_RULE_TARGETS,
  MAX_TARGETS_OF_RULE,
} from "../../protocol/constants.ts";
import type { ObjectiveView, RuleView } from "../../protocol/snapshot.ts";
import type { ClusterSeen, Rewrite, ServedModel, WeightedModel } from "../kubernetes/cluster-objects.ts";

/** Criticality -> priority, as in the migration from InferenceModel to InferenceObjective. Requests below 0 may be shed. */
const PRIORITIES = { Critical: 2, Standard: 1, Sheddable: -1 } as const;

export interface ClusterObjects {
  /** `namespace/name` of the pools that are followed, sorted. */
  pools: readonly string[];
  objectives: readonly ObjectiveView[];
  rules: readonly RuleView[];
  /** Models that objects declare for a pool, whether or not a pod lists them. */
  declared: ReadonlyArray<{ model: string; pool: string }>;
  /** Name of an adapter → name of its base model. */
  bases: ReadonlyMap<string, string>;
  /** Number of entries that did not fit. */
  dropped: number;
}

const POOL_KIND = "InferencePool ";

/** Returns the first pool of an endpoint. `belongsTo`: PodAddress.cluster.of. */
export function poolOf(belongsTo: readonly string[] | undefined, pools: readonly string[]): string | undefined {
  for (const of of belongsTo ?? []) {
    const name = of.startsWith(POOL_KIND) ? of.slice(POOL_KIND.length) : undefined;
    if (name !== undefined && pools.includes(name)) return name;
  }
  return undefined;
}

export function objectsOf(seen: readonly ClusterSeen[]): ClusterObjects | undefined {
  if (seen.length === 0) return undefined;
  const pools = [...new Set(seen.flatMap(({ followed }) => followed))].sort();
  const kept = pools.slice(0, MAX_POOLS);
  /**
   * Returns the pool's name in the snapshot; null: any pool; undefined: the pool is not followed, so its objects are left
   * out.
   */
  const scope = (namespace: string, pool: string | null): string | null | undefined => {
    if (pool === null || kept.length === 0) return null;
    const name = `${namespace}/${pool}`;
    return kept.includes(name) ? name : undefined;
  };
  const objectives = objectivesOf(seen, scope);
  const rules = rulesOf(seen, scope);
  const used = withinLimit(rules);
  const declared = new Map<string, { model: string; pool: string }>();
  for (const { pool, targets } of used) {
    if (pool === null) continue;
    for (const target of targets) declared.set(`${pool} ${target.model}`, { model: target.model, pool });
  }
  const bases = new Map<string, string>();
  for (const { adapterMaps } of seen) {
    for (const { base, adapters } of adapterMaps) {
      for (const adapter of adapters) if (!bases.has(adapter)) bases.set(adapter, base);
    }
  }
  return {
    pools: kept,
    objectives: objectives.slice(0, MAX_OBJECTIVES),
    rules: used,
    declared: [...declared.values()],
    bases,
    dropped:
      pools.length - kept.length + Math.max(0, objectives.length - MAX_OBJECTIVES) + (rules.length - used.length),
  };
}

type Scope = (namespace: string, pool: string | null) => string | null | undefined;

function objectivesOf(seen: readonly ClusterSeen[], scope: Scope): ObjectiveView[] {
  const found = new Map<string, ObjectiveView>();
  for (const { objectives } of seen) {
    for (const { namespace, name, priority, pool: of } of objectives) {
      const pool = scope(namespace, of);
      if (pool === undefined || Buffer.byteLength(name) > MAX_MODEL_NAME_BYTES) continue;
      const key = `${pool ?? ""} ${name}`;
      const clamped = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, priority));
      if (!found.has(key)) found.set(key, { name, priority: clamped, pool });
    }
  }
  return [...found.values()];
}

/**
 * Sorts the oldest object first. An object without a time is the youngest. Names decide ties, so that every sidecar has the
 * same order.
 */
function byAge(a: Rewrite, b: Rewrite): number {
  const [left, right] = [a, b].map(({ created, namespace, name }) => `${created ?? "9999"} ${namespace}/${name}`);
  return (left as string) < (right as string) ? -1 : 1;
}

function rulesOf(seen: readonly ClusterSeen[], scope: Scope): RuleView[] {
  const found = new Map<string, RuleView>();
  const key = (pool: string | null, model: string | null) => `${pool ?? ""} ${model ?? ""}`;
  for (const rewrite of seen.flatMap(({ rewrites }) => rewrites).sort(byAge)) {
    const pool = scope(rewrite.namespace, rewrite.pool);
    if (pool === undefined) continue;
    for (const { models, targets } of rewrite.rules) {
      if (targets.length === 0) continue;
      for (const model of models.length === 0 ? [null] : models) {
        if (found.has(key(pool, model))) continue;
        found.set(key(pool, model), { model, pool, priority: null, targets: weighted(targets) });
      }
    }
  }
  for (const model of seen.flatMap(({ models }) => models)) {
    const pool = scope(model.namespace, model.pool);
    if (pool === undefined) continue;
    const rule = ruleOf(model, pool);
    const known = found.get(key(pool, model.model));
    if (known === undefined) found.set(key(pool, model.model), rule);
    // The rewrite's targets stay. The InferenceModel adds its priority, which a rewrite does not have.
    else known.priority ??= rule.priority;
  }
  return [...found.values()];
}

function ruleOf({ model, criticality, targets }: ServedModel, pool: string | null): RuleView {
  const served = targets.length === 0 ? [{ model, weight: null }] : targets;
  const priority = criticality === null ? null : PRIORITIES[criticality];
  return { model, pool, priority, targets: weighted(served) };
}

/**
 * Sets missing weights. If no target has a weight, all weights are equal. Otherwise a missing weight is 1, the API's default.
 */
function weighted(targets: readonly WeightedModel[]): RuleView["targets"] {
  return targets.slice(0, MAX_TARGETS_OF_RULE).map(({ model, weight }) => ({ model, weight: weight ?? 1 }));
}

function withinLimit(rules: readonly RuleView[]): RuleView[] {
  let total = 0;
  return rules.filter(({ targets }) => {
    total += targets.length;
    return total <= MAX_RULE_TARGETS;
  });
}
