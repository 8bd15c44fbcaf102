// Reads policies from GKE's objects, with GKE's meaning. If Pilotfish cannot do what an object asks for, the result is a
// problem or a note, never a guess.
import type { BackendPolicy, LoadMetric, PolicyObject } from "../kubernetes/cluster-objects.ts";
import type { Policy } from "./policy.ts";

/**
 * Names of the metric of KV-cache usage in several engines. The sidecar reads the usage of every engine, so each name means
 * that number.
 */
const KV_METRICS = new Set([
  "vllm:kv_cache_usage_perc",
  "vllm:gpu_cache_usage_perc",
  "sglang:token_usage",
  "inference_pool_average_kv_cache_utilization",
]);
const NAMED = "gke.named_metrics.";
/** The export names of KV-cache usage in GKE's documents. They count unless an AutoscalingMetric defines them. */
const KV_NAMES = new Set(["kv-cache", "gpu-cache"]);

interface PoliciesOfManifests {
  policies: Policy[];
  /** One sentence for each demand of an object that Pilotfish cannot meet. */
  problems: string[];
  /** One sentence for each field that has no effect, or that Pilotfish gave a default value. */
  notes: string[];
}

export function policiesOf(objects: readonly PolicyObject[]): PoliciesOfManifests {
  const done: PoliciesOfManifests = { policies: [], problems: [], notes: [] };
  const metrics = objects.filter((object): object is LoadMetric => object.kind === "load-metric");
  for (const object of objects) if (object.kind === "backend-policy") addPolicy(object, metrics, done);
  return done;
}

function addPolicy(object: BackendPolicy, metrics: readonly LoadMetric[], done: PoliciesOfManifests): void {
  const name = `GCPBackendPolicy ${object.namespace}/${object.name}`;
  const kind = kindOf(object.target.kind);
  if (kind === undefined) {
    const got = JSON.stringify(object.target.kind);
    const expected = "InferencePool, GCPInferencePoolImport, Service or ServiceImport";
    done.problems.push(`${name}: spec.targetRef.kind: got ${got}, expected ${expected}`);
    return;
  }
  for (const key of object.unused) done.notes.push(`${name}: spec.default.${key} has no effect`);
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
      const why = used === undefined ? "Pilotfish reads no metric of this name" : `${used.name} is used`;
      done.problems.push(`${name}: customMetrics: ${metric.name} is not used: ${why}`);
    }
    if (used === undefined) return;
    policy.mode = "utilization";
    policy.target = (used.maxPercent ?? 80) / 100;
    policy.dryRun ||= used.dryRun;
    if (used.maxPercent === null)
      done.notes.push(`${name}: ${used.name}: no maxUtilizationPercent is given, so 80 is used`);
  } else if (object.mode !== null) {
    done.problems.push(`${name}: balancingMode ${object.mode} is not for inference, so places are used in their order`);
  }
  done.policies.push(policy);
}

function kindOf(kind: string): "InferencePool" | "Service" | undefined {
  if (kind === "InferencePool" || kind === "GCPInferencePoolImport") return "InferencePool";
  return kind === "Service" || kind === "ServiceImport" ? "Service" : undefined;
}

/** Whether a custom metric is the KV-cache usage. */
function readsKv(name: string, metrics: readonly LoadMetric[]): boolean {
  const short = name.startsWith(NAMED) ? name.slice(NAMED.length) : name;
  const exported = metrics.flatMap((metric) => metric.metrics).filter(({ exportName }) => exportName === short);
  if (exported.length > 0) return exported.some((metric) => KV_METRICS.has(metric.name));
  return KV_NAMES.has(short) || KV_METRICS.has(short);
}
