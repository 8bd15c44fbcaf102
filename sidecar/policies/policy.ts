// A policy says how full a place may get with a model's requests. Policies of the configuration and of manifests have the
// same form here. This file also finds the policy of each model.
import { MAX_MODEL_NAME_BYTES, MAX_POLICIES } from "../../protocol/constants.ts";
import type { ModelView, PolicyMode, PolicyView } from "../../protocol/snapshot.ts";

export interface Policy {
  /** The name for people, such as `GCPBackendPolicy default/llama` or `policies[0]`. */
  name: string;
  /**
   * The pools and Services of the policy; namespace null: any namespace. Without targets and models, the policy is for every
   * model.
   */
  targets: ReadonlyArray<{ kind: "InferencePool" | "Service"; namespace: string | null; name: string }>;
  models: readonly string[];
  mode: PolicyMode;
  /** For mode utilization: the KV-cache usage, 0 to 1, up to which a place is filled. */
  target: number | null;
  mostInFlight: number | null;
  timeoutMs: number | null;
  dryRun: boolean;
  short: boolean;
}

/** Returns the limit of a policy as a phrase for people. */
export function limitText({
  mode,
  target,
  mostInFlight,
}: Pick<PolicyView, "mode" | "target" | "mostInFlight">): string {
  if (mode === "order") return "places are used in their order";
  if (mode === "in-flight") return `a place is filled to ${mostInFlight} in-flight requests per pod`;
  return `a place is filled to ${Math.round((target ?? 0) * 1000) / 10} % of its KV cache`;
}

/** Returns the policy for a model. `of`: the pools and Services of the model's pods, such as `InferencePool default/llama`. */
function policyFor(
  policies: readonly Policy[],
  model: { name: string; base: string | null },
  of: ReadonlySet<string>,
): Policy | undefined {
  const names = (policy: Policy) => policy.models.includes(model.name) || policy.models.includes(model.base ?? "");
  const targeted = (policy: Policy) =>
    policy.targets.some(({ kind, namespace, name }) => {
      if (namespace !== null) return of.has(`${kind} ${namespace}/${name}`);
      return [...of].some((each) => each.startsWith(`${kind} `) && each.endsWith(`/${name}`));
    });
  const all = (policy: Policy) => policy.models.length + policy.targets.length === 0;
  // A policy for the model comes first, then a policy for its pool or Service, then a policy for all models.
  return policies.find(names) ?? policies.find(targeted) ?? policies.find(all);
}

/**
 * Sets each model's policy, and returns the snapshot's policy records. Each base model has its own record, shared with its
 * adapters, since the filter learns per record how much a request takes. Above MAX_POLICIES, all models of a policy share one.
 * `belongsTo`: address -> its pools and Services.
 */
export function applyPolicies(
  models: readonly ModelView[],
  policies: readonly Policy[],
  belongsTo: (address: string) => readonly string[] | undefined,
): PolicyView[] {
  const chosen = models.flatMap((model) => {
    const of = new Set(model.endpoints.flatMap(({ address }) => belongsTo(address) ?? []));
    const policy = policyFor(policies, model, of);
    return policy === undefined ? [] : [{ model, policy }];
  });
  const own = new Set(chosen.map(({ model, policy }) => recordName(policy, model))).size <= MAX_POLICIES;
  const records = new Map<string, PolicyView>();
  for (const { model, policy } of chosen) {
    const name = own ? recordName(policy, model) : shortened(policy.name);
    if (!records.has(name) && records.size === MAX_POLICIES) continue;
    model.policy = name;
    const { mode, target, mostInFlight, timeoutMs, dryRun, short } = policy;
    records.set(name, { name, mode, target, mostInFlight, timeoutMs, dryRun, short });
  }
  return [...records.values()];
}

function recordName(policy: Policy, model: ModelView): string {
  return shortened(`${policy.name}: ${model.base ?? model.name}`);
}

/**
 * Shortens a name to MAX_MODEL_NAME_BYTES, the limit of a record's name. The name keeps its end, which differs between
 * policies.
 */
function shortened(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= MAX_MODEL_NAME_BYTES) return name;
  // The cut may split a character: each of its bytes becomes "?".
  return bytes
    .subarray(bytes.length - MAX_MODEL_NAME_BYTES)
    .toString()
    .replaceAll("\ufffd", "?");
}
