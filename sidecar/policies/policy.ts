// How full a place may get with a model's requests: policies of the configuration and of manifests, in one form, and which of
// them is for which model. The meaning is GKE's; what has none here is said, not guessed.
import { MAX_MODEL_NAME_BYTES, MAX_POLICIES } from "../../protocol/constants.ts";
import type { ModelView, PolicyMode, PolicyView } from "../../protocol/snapshot.ts";
import type { BackendPolicy, LoadMetric, PolicyObject } from "../kubernetes/cluster-objects.ts";

export interface Policy {
  /** As people call it: `GCPBackendPolicy default/llama`, `policies[0]`. */
  name: string;
  /** `InferencePool name`, `Service name`, with the namespace where one is known; empty, with no models: every model. */
  targets: ReadonlyArray<{ kind: "InferencePool" | "Service"; namespace: string | null; name: string }>;
  models: readonly string[];
  mode: PolicyMode;
  /** 0 to 1. */
  target: number | null;
  mostInFlight: number | null;
  timeoutMs: number | null;
  dryRun: boolean;
  short: boolean;
}

/** Metrics that say how much of the KV cache is in use; what the sidecar reads of each engine as KV usage. */
const KV_METRICS = new Set([
  "vllm:kv_cache_usage_perc",
  "vllm:gpu_cache_usage_perc",
  "sglang:token_usage",
  "inference_pool_average_kv_cache_utilization",
]);
const NAMED = "gke.named_metrics.";
/** What documents call it, and where no AutoscalingMetric says something else. */
const KV_NAMES = new Set(["kv-cache", "gpu-cache"]);

export interface Translated {
  policies: Policy[];
  /** What could not be taken over as it stands, a sentence each. */
  problems: string[];
  /** What is taken over elsewhere, or means nothing here. */
  notes: string[];
}

export function policiesOf(objects: readonly PolicyObject[]): Translated {
  const done: Translated = { policies: [], problems: [], notes: [] };
  const metrics = objects.filter((object): object is LoadMetric => object.kind === "load-metric");
  for (const object of objects) if (object.kind === "backend-policy") addBackend(object, metrics, done);
  return done;
}

function addBackend(object: BackendPolicy, metrics: readonly LoadMetric[], done: Translated): void {
  const name = `GCPBackendPolicy ${object.namespace}/${object.name}`;
  const kind = kindOf(object.target.kind);
  if (kind === undefined) {
    const got = JSON.stringify(object.target.kind);
    const expected = "InferencePool, GCPInferencePoolImport, Service or ServiceImport";
    done.problems.push(`${name}: spec.targetRef.kind: got ${got}, expected ${expected}`);
    return;
  }
  for (const key of object.unused) done.notes.push(`${name}: spec.default.${key} has no meaning here`);
  const imported = object.target.kind.endsWith("Import");
  const policy: Policy = {
    name,
    targets: [{ kind, namespace: imported ? null : object.namespace, name: object.target.name }],
    models: [],
    mode: "order",
    target: null,
    mostInFlight: null,
    timeoutMs: object.timeoutSec === null ? null : object.timeoutSec * 1000,
    dryRun: object.dryRun,
    short: object.short,
  };
  if (object.mode === "IN_FLIGHT") {
    policy.mode = "in-flight";
    policy.mostInFlight = object.mostInFlight;
  } else if (object.mode === "CUSTOM_METRICS") {
    const used = object.metrics.find((metric) => readsKv(metric.name, metrics));
    for (const metric of object.metrics) {
      if (metric === used) continue;
      const why = used === undefined ? "no metric of that name is read" : `${used.name} is the one that counts`;
      done.problems.push(`${name}: customMetrics: ${metric.name} is not used: ${why}`);
    }
    if (used === undefined) return;
    policy.mode = "utilization";
    policy.target = (used.maxPercent ?? 80) / 100;
    policy.dryRun ||= used.dryRun;
    if (used.maxPercent === null)
      done.notes.push(`${name}: ${used.name}: no maxUtilizationPercent is given, 80 is taken`);
  } else if (object.mode !== null) {
    done.problems.push(`${name}: balancingMode ${object.mode} is not for inference: places are used in their order`);
  }
  done.policies.push(policy);
}

function kindOf(kind: string): "InferencePool" | "Service" | undefined {
  if (kind === "InferencePool" || kind === "GCPInferencePoolImport") return "InferencePool";
  return kind === "Service" || kind === "ServiceImport" ? "Service" : undefined;
}

/** Whether a custom metric is what pods say of their KV cache. */
export function readsKv(name: string, metrics: readonly LoadMetric[]): boolean {
  const short = name.startsWith(NAMED) ? name.slice(NAMED.length) : name;
  const exported = metrics.flatMap((metric) => metric.metrics).filter(({ exportName }) => exportName === short);
  if (exported.length > 0) return exported.some((metric) => KV_METRICS.has(metric.name));
  return KV_NAMES.has(short) || KV_METRICS.has(short);
}

/** `of`: what the model's pods belong to, as endpoints.ts words it: `InferencePool default/llama`. */
export function policyFor(
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
  // The narrower one wins: a model's, then a pool's or Service's, then what is for all.
  return policies.find(names) ?? policies.find(targeted) ?? policies.find(all);
}

/**
 * Names each model's policy and returns the records. Each base model has a record of its own, shared by its adapters, since what
 * a request takes is learned for each; when they are too many, models of one policy share one.
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

/** Policies may have longer names than a record may have; the end is kept, since names differ there. */
function shortened(name: string): string {
  const bytes = Buffer.from(name);
  return bytes.length <= MAX_MODEL_NAME_BYTES
    ? name
    : bytes
        .subarray(bytes.length - 250)
        .toString()
        .replaceAll("\ufffd", "?");
}
