// What the cluster says, free of API versions: what both sources (the API server and a folder of manifests) are
// translated into, and all that the rest of the sidecar knows of Kubernetes.

interface Named {
  namespace: string;
  name: string;
}

/** An InferencePool: which pods, and on which ports of each. Every pod with every port is an endpoint. */
export interface Pool extends Named {
  kind: "pool";
  version: "v1" | "v1alpha2" | "v1alpha1";
  /** Labels that a pod of the same namespace must all have; none selects every pod. */
  selector: Readonly<Record<string, string>>;
  targetPorts: readonly number[];
  /** The annotation as it stands. */
  attachTo: string | null;
  /** Whether requests go on when no picker answers. */
  failOpen: boolean;
  /** Other sidecars may import it: `networking.gke.io/export: "True"`. */
  exported?: boolean;
}

export interface PodObject extends Named {
  kind: "pod";
  labels: Readonly<Record<string, string>>;
  /** null until it has one, and again when it has ended. */
  ip: string | null;
  ready: boolean;
  terminating: boolean;
  asleep: boolean;
  /** As its label says. */
  engine: string | null;
  /** Those of the pool's ports that it serves; null for all of them. */
  activePorts: readonly number[] | null;
}

/** A part of a Service's endpoints. */
export interface Slice extends Named {
  kind: "slice";
  service: string;
  engine: string | null;
  ports: ReadonlyArray<{ name: string; port: number }>;
  members: ReadonlyArray<{ ip: string; ready: boolean; terminating: boolean }>;
}

export interface WeightedModel {
  model: string;
  /** null where none of the targets has a weight: all the same. */
  weight: number | null;
}

/** An InferenceObjective: how important a request is that names it. */
export interface Objective extends Named {
  kind: "objective";
  pool: string;
  /** Higher is more important; below 0 may be shed. */
  priority: number;
}

/** An InferenceModel, the predecessor of both objective and rewrite. */
export interface ServedModel extends Named {
  kind: "model";
  pool: string;
  model: string;
  criticality: "Critical" | "Standard" | "Sheddable" | null;
  /** Empty: the model itself. */
  targets: readonly WeightedModel[];
}

export interface RewriteRule {
  /** Model names that are matched exactly; empty matches every model. */
  models: readonly string[];
  targets: readonly WeightedModel[];
}

export interface Rewrite extends Named {
  kind: "rewrite";
  pool: string | null;
  /** Of two rewrites that match alike, the oldest counts; RFC 3339. */
  created: string | null;
  rules: readonly RewriteRule[];
}

/** A ConfigMap of the body-based router: adapters of a base model. */
export interface AdapterMap extends Named {
  kind: "adapters";
  base: string;
  adapters: readonly string[];
}

export interface TargetRef {
  group: string;
  kind: string;
  name: string;
}

/** A GCPBackendPolicy: how full the backends of a Service or an imported pool may get. */
export interface BackendPolicy extends Named {
  kind: "backend-policy";
  target: TargetRef;
  mode: "CUSTOM_METRICS" | "IN_FLIGHT" | "RATE" | "UTILIZATION" | "CONNECTION" | null;
  metrics: ReadonlyArray<{ name: string; dryRun: boolean; maxPercent: number | null }>;
  mostInFlight: number | null;
  short: boolean;
  timeoutSec: number | null;
  dryRun: boolean;
  /** Keys that have no meaning here. */
  unused: readonly string[];
}

/** A HealthCheckPolicy. */
export interface HealthCheck extends Named {
  kind: "health-check";
  target: TargetRef;
  type: string;
  path: string;
  /** null: the port that serves. */
  port: number | null;
  intervalMs: number;
  timeoutMs: number;
  healthy: number;
  unhealthy: number;
}

/** An AutoscalingMetric: which of a server's metrics is exported under which name. */
export interface LoadMetric extends Named {
  kind: "load-metric";
  selector: Readonly<Record<string, string>>;
  path: string;
  port: number | null;
  metrics: ReadonlyArray<{ name: string; exportName: string }>;
}

/** A GCPInferencePoolImport: stands for the exported pools of its name, wherever they are. */
export interface PoolImport extends Named {
  kind: "pool-import";
}

export type PolicyObject = BackendPolicy | HealthCheck | LoadMetric | PoolImport;

export type ClusterObject = Pool | PodObject | Slice | Objective | ServedModel | Rewrite | AdapterMap | PolicyObject;

export interface ClusterView {
  pools: Pool[];
  pods: PodObject[];
  slices: Slice[];
  objectives: Objective[];
  models: ServedModel[];
  rewrites: Rewrite[];
  adapterMaps: AdapterMap[];
  policies: PolicyObject[];
}

/** All that one source knows of its cluster, for people to see and for snapshots. */
export interface ClusterSeen extends ClusterView {
  source: string;
  /** `namespace/name` of the pools whose pods are endpoints. */
  followed: readonly string[];
  /** What objects ask for that could not be done. */
  problems: readonly string[];
  /** Where it is heard from, and how that goes. */
  watches: ReadonlyArray<{ of: string; state: string; objects: number }>;
}

const KINDS: Readonly<Record<ClusterObject["kind"], string>> = {
  pool: "InferencePool",
  pod: "Pod",
  slice: "EndpointSlice",
  objective: "InferenceObjective",
  model: "InferenceModel",
  rewrite: "InferenceModelRewrite",
  adapters: "ConfigMap",
  "backend-policy": "GCPBackendPolicy",
  "health-check": "HealthCheckPolicy",
  "load-metric": "AutoscalingMetric",
  "pool-import": "GCPInferencePoolImport",
};

/** As people call it: `InferencePool default/llama`. */
export function titleOf({ kind, namespace, name }: ClusterObject): string {
  return `${KINDS[kind]} ${namespace}/${name}`;
}

/** Unique among objects; pools of different API groups may share a name. */
export function identityOf(object: ClusterObject): string {
  const kind = object.kind === "pool" && object.version !== "v1" ? "pool-alpha" : object.kind;
  return `${kind} ${object.namespace}/${object.name}`;
}

/** What of a view tells of models and priorities, not of pods. */
export function declarationsOf({ pools, objectives, models, rewrites, adapterMaps, policies }: ClusterView): object {
  return {
    pools: pools.map(({ namespace, name }) => `${namespace}/${name}`),
    objectives,
    models,
    rewrites,
    adapterMaps,
    policies,
  };
}

/** Sorted by namespace and name, so that nothing depends on what was heard first. */
export function viewOf(objects: Iterable<ClusterObject>): ClusterView {
  const all = [...objects].map((object) => ({ object, key: identityOf(object) }));
  all.sort((a, b) => (a.key < b.key ? -1 : 1));
  const view: ClusterView = {
    pools: [],
    pods: [],
    slices: [],
    objectives: [],
    models: [],
    rewrites: [],
    adapterMaps: [],
    policies: [],
  };
  for (const { object } of all) {
    if (object.kind === "pool") view.pools.push(object);
    else if (object.kind === "pod") view.pods.push(object);
    else if (object.kind === "slice") view.slices.push(object);
    else if (object.kind === "objective") view.objectives.push(object);
    else if (object.kind === "model") view.models.push(object);
    else if (object.kind === "rewrite") view.rewrites.push(object);
    else if (object.kind === "adapters") view.adapterMaps.push(object);
    else view.policies.push(object);
  }
  return view;
}
