// The table of Kubernetes resources that Pilotfish reads: the API of each, and the schema that turns it into an object.
import type { z } from "zod";
import type { ClusterObject } from "../cluster-objects.ts";
import { problemsOf, shown } from "./fields.ts";
import { backendPolicy, healthCheck, loadMetric, poolImport } from "./gke.ts";
import { poolAlpha, poolV1 } from "./inference-pool.ts";
import { ADAPTERS_LABEL, adapterMap, objective, rewrite, servedModel } from "./model-objects.ts";
import { pod, slice } from "./pods-and-slices.ts";

export interface Resource {
  kind: string;
  /** The API group; "" is the core API. */
  group: string;
  /** API version -> schema, newest first. */
  versions: Readonly<Record<string, z.ZodType<ClusterObject>>>;
  /** The resource's name in the API's paths. */
  plural: string;
  /** If given, only objects with this label are read. */
  label?: { name: string; value: string };
}

const GKE = "networking.gke.io";
const ALPHA = "inference.networking.x-k8s.io";

export const RESOURCES = {
  pools: {
    kind: "InferencePool",
    group: "inference.networking.k8s.io",
    plural: "inferencepools",
    versions: { v1: poolV1 },
  },
  poolsAlpha: {
    kind: "InferencePool",
    group: ALPHA,
    plural: "inferencepools",
    versions: { v1alpha2: poolAlpha("v1alpha2"), v1alpha1: poolAlpha("v1alpha1") },
  },
  pods: { kind: "Pod", group: "", plural: "pods", versions: { v1: pod } },
  slices: { kind: "EndpointSlice", group: "discovery.k8s.io", plural: "endpointslices", versions: { v1: slice } },
  objectives: {
    kind: "InferenceObjective",
    group: ALPHA,
    plural: "inferenceobjectives",
    versions: { v1alpha2: objective },
  },
  models: {
    kind: "InferenceModel",
    group: ALPHA,
    plural: "inferencemodels",
    versions: { v1alpha2: servedModel, v1alpha1: servedModel },
  },
  rewrites: {
    kind: "InferenceModelRewrite",
    group: ALPHA,
    plural: "inferencemodelrewrites",
    versions: { v1alpha2: rewrite },
  },
  adapterMaps: {
    kind: "ConfigMap",
    group: "",
    plural: "configmaps",
    versions: { v1: adapterMap },
    label: { name: ADAPTERS_LABEL, value: "true" },
  },
  backendPolicies: {
    kind: "GCPBackendPolicy",
    group: GKE,
    plural: "gcpbackendpolicies",
    versions: { v1: backendPolicy },
  },
  healthChecks: { kind: "HealthCheckPolicy", group: GKE, plural: "healthcheckpolicies", versions: { v1: healthCheck } },
  loadMetrics: {
    kind: "AutoscalingMetric",
    group: "autoscaling.gke.io",
    plural: "autoscalingmetrics",
    versions: { v1: loadMetric, v1beta1: loadMetric },
  },
  poolImports: {
    kind: "GCPInferencePoolImport",
    group: GKE,
    plural: "gcpinferencepoolimports",
    versions: { v1: poolImport },
  },
} as const satisfies Record<string, Resource>;

type Translated =
  | { object: ClusterObject }
  /** Pilotfish does not use the object. The text has the kind and the reason. */
  | { unused: string }
  /** A line for each field that is wrong. */
  | { problems: string[] };

/** Translates an object whose resource and version are known. Items of a list have no kind and apiVersion. */
export function translateAs(resource: Resource, version: string, input: unknown): Translated {
  const schema = resource.versions[version];
  if (schema === undefined) return { unused: `${resource.kind} of version ${version}` };
  if (resource.label !== undefined && labelOf(input, resource.label.name) !== resource.label.value) {
    return { unused: `${resource.kind} without the label ${resource.label.name}` };
  }
  const parsed = schema.safeParse(input);
  return parsed.success ? { object: parsed.data } : { problems: problemsOf(parsed.error, input) };
}

/** Translates a manifest, by its kind and apiVersion. */
export function translate(input: unknown): Translated {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return { problems: [`object: got ${shown(input)}, expected an object with apiVersion and kind`] };
  }
  const { apiVersion, kind } = input as { apiVersion?: unknown; kind?: unknown };
  if (typeof apiVersion !== "string") return { problems: [`apiVersion: got ${shown(apiVersion)}, expected text`] };
  if (typeof kind !== "string") return { problems: [`kind: got ${shown(kind)}, expected text`] };
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : apiVersion.slice(0, slash);
  const version = apiVersion.slice(slash + 1);
  const resource = Object.values(RESOURCES).find((row) => row.kind === kind && row.group === group);
  return resource === undefined ? { unused: `${kind} of ${apiVersion}` } : translateAs(resource, version, input);
}

function labelOf(input: unknown, name: string): unknown {
  const found = input as { metadata?: { labels?: Record<string, unknown> | null } | null } | null;
  return found?.metadata?.labels?.[name];
}
