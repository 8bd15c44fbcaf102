// Finds contradictions between objects, for `pilotfish check`: references to missing objects, and objects that exclude each
// other.
import { type BackendPolicy, type HealthCheck, titleOf } from "../kubernetes/cluster-objects.ts";
import type { Policy } from "../policies/policy.ts";
import type { Manifests } from "./read-manifests.ts";
import { backendsText, podsOf, targetText } from "./sections.ts";

export function contradictionsOf(manifests: Manifests): string[] {
  const { policies } = manifests.view;
  const checks = policies.filter((each): each is HealthCheck => each.kind === "health-check");
  const backends = policies.filter((each): each is BackendPolicy => each.kind === "backend-policy");
  return [
    ...modelsInTwoPools(manifests),
    ...routesWithTwoEnds(manifests),
    ...missingBackends(manifests),
    ...missingPoolsOfObjectives(manifests),
    ...sameTarget(checks),
    ...wrongHealthChecks(checks, manifests),
    ...sameTarget(backends),
    ...missingPoolsOfPolicies([...backends, ...checks], manifests),
  ];
}

export function notesOf(manifests: Manifests, policies: readonly Policy[]): string[] {
  const { view, routes } = manifests;
  const notes: string[] = [];
  if (view.pools.some((pool) => podsOf(pool, manifests) === 0)) {
    notes.push("pools without pods in these manifests: their pods must come from a cluster, or from a peer");
  }
  const byModel = routes.filter(({ models }) => models.length > 0);
  if (byModel.length > 0 && byModel.length === routes.length) {
    notes.push(
      "no route without X-Gateway-Model-Name: Envoy responds 404 before the filter runs, so a catch-all route must exist",
    );
  }
  const forAll = policies.filter(({ models, targets }) => models.length + targets.length === 0);
  if (forAll.length > 1) notes.push(`several policies are for every model: ${forAll[0]?.name} is used`);
  return notes;
}

function hasPool({ view }: Manifests, namespace: string, name: string): boolean {
  return view.pools.some((pool) => pool.namespace === namespace && pool.name === name);
}

function modelsInTwoPools({ view }: Manifests): string[] {
  const lines: string[] = [];
  const pools = new Map<string, string>();
  for (const { namespace, name, model, pool } of view.models) {
    const first = pools.get(model);
    const own = `${namespace}/${pool}`;
    if (first !== undefined && first !== own) {
      lines.push(`InferenceModel ${namespace}/${name}: ${model} is in ${first} as well as in ${own}`);
    }
    pools.set(model, own);
  }
  return lines;
}

function routesWithTwoEnds({ routes }: Manifests): string[] {
  const lines: string[] = [];
  const ends = new Map<string, string>();
  for (const { route, parents, models, paths, backends } of routes) {
    const end = backendsText(backends);
    for (const parent of parents) {
      for (const model of models) {
        const key = `${parent} ${model} ${paths.join()}`;
        const first = ends.get(key);
        if (first !== undefined && first !== end) {
          lines.push(`${route}: ${model} on ${parent} leads to ${end}, by another route to ${first}`);
        }
        ends.set(key, end);
      }
    }
  }
  return lines;
}

function missingBackends(manifests: Manifests): string[] {
  return manifests.routes.flatMap(({ route, namespace, backends }) => {
    const missing = backends.filter(
      ({ kind, name }) => kind === "InferencePool" && !hasPool(manifests, namespace, name),
    );
    return missing.map(
      ({ name }) => `${route}: backendRefs: InferencePool ${namespace}/${name} is not in these manifests`,
    );
  });
}

/** Finds objectives whose pool is missing. If the manifests have no pool at all, the pools are in the cluster. */
function missingPoolsOfObjectives(manifests: Manifests): string[] {
  const { pools, policies, objectives } = manifests.view;
  if (pools.length === 0) return [];
  const imported = new Set(policies.filter(({ kind }) => kind === "pool-import").map(({ name }) => name));
  const missing = objectives.filter(
    ({ namespace, pool }) => !hasPool(manifests, namespace, pool) && !imported.has(pool),
  );
  return missing.map(({ namespace, name, pool }) => {
    return `InferenceObjective ${namespace}/${name}: poolRef: InferencePool ${namespace}/${pool} is not in these manifests`;
  });
}

function wrongHealthChecks(checks: readonly HealthCheck[], { view }: Manifests): string[] {
  return checks.flatMap(({ namespace, name, target, port, intervalMs, timeoutMs }) => {
    const title = `HealthCheckPolicy ${namespace}/${name}`;
    const lines: string[] = [];
    const pool = view.pools.find((each) => each.name === target.name);
    if (pool !== undefined && port !== null && !pool.targetPorts.includes(port)) {
      const ports = pool.targetPorts.join(", ");
      lines.push(`${title}: port ${port} is none of InferencePool ${pool.namespace}/${pool.name}: ${ports}`);
    }
    if (timeoutMs > intervalMs) lines.push(`${title}: timeoutSec is above checkIntervalSec`);
    return lines;
  });
}

/** Finds targets with two policies of one kind. No rule says which of the two is used. */
function sameTarget(policies: ReadonlyArray<BackendPolicy | HealthCheck>): string[] {
  const lines: string[] = [];
  const titles = new Map<string, string>();
  for (const policy of policies) {
    const { namespace, target } = policy;
    const key = `${namespace} ${target.kind} ${target.name}`;
    const first = titles.get(key);
    if (first !== undefined) lines.push(`${titleOf(policy)}: ${targetText(target)} has ${first} already`);
    titles.set(key, titleOf(policy));
  }
  return lines;
}

function missingPoolsOfPolicies(policies: ReadonlyArray<BackendPolicy | HealthCheck>, manifests: Manifests): string[] {
  const missing = policies.filter(
    ({ namespace, target }) => target.kind === "InferencePool" && !hasPool(manifests, namespace, target.name),
  );
  return missing.map((policy) => `${titleOf(policy)}: ${targetText(policy.target)} is not in these manifests`);
}
