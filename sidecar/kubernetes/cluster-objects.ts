// The objects of a cluster, without API versions. The API server's objects and manifests are both translated into these types
// (translate/). The rest of the sidecar knows no other form of Kubernetes objects.

interface Named {
  namespace: string;
  name: string;
}

/** An InferencePool: selects pods, and lists their ports. Each pod at each port is a server of its own. */
export interface Pool extends Named {
  kind: "pool";
  version: "v1" | "v1alpha2" | "v1alpha1";
  /** Labels that a pod of the same namespace must have, all of them. Empty: every pod. */
  selector: Readonly<Record<string, string>>;
  targetPorts: readonly number[];
  /** The text of the annotation attach-to, which names a gateway listener; null: no annotation. */
  attachTo: string | null;
  /** Whether requests continue when no endpoint can be picked. */
  failOpen: boolean;
  /** Whether other sidecars may import the pool: `networking.gke.io/export: "True"`. */
  exported?: boolean;
}

export interface PodObject extends Named {
  kind: "pod";
  labels: Readonly<Record<string, string>>;
  /** The pod's address; null: the pod has no address yet, or has ended. */
  ip: string | null;
  ready: boolean;
  terminating: boolean;
  asleep: boolean;
  /** The engine that the pod's label names; null: no label. */
  engine: string | null;
  /** The ports of the pool that this pod serves; null: all ports of the pool. */
  activePorts: readonly number[] | null;
}

/** An EndpointSlice: a part of the addresses of a Service. */
export interface Slice extends Named {
  kind: "slice";
  service: string;
  engine: string | null;
  ports: ReadonlyArray<{ name: string; port: number }>;
  members: ReadonlyArray<{ ip: string; ready: boolean; terminating: boolean }>;
}

export interface WeightedModel {
  model: string;
  /** The target's weight; null: all targets have the same weight. */
  weight: number | null;
}

/** An InferenceObjective: the priority of requests that name it. */
export interface Objective extends Named {
  kind: "objective";
  pool: string;
  /** Requests with a higher priority are more important. Requests with a priority below 0 may be shed. */
  priority: number;
}

/** An InferenceModel: the older form of objective and rewrite. */
export interface ServedModel extends Named {
  kind: "model";
  pool: string;
  model: string;
  criticality: "Critical" | "Standard" | "Sheddable" | null;
  /** The models that serve its requests; empty: the model itself. */
  targets: readonly WeightedModel[];
}

interface RewriteRule {
  /** The model names of the rule, which are matched exactly. Empty: every model. */
  models: readonly string[];
  targets: readonly WeightedModel[];
}

export interface Rewrite extends Named {
  kind: "rewrite";
  pool: string | null;
  /** Time of creation, RFC 3339. Of two rewrites for the same name, the older one counts. */
  created: string | null;
  rules: readonly RewriteRule[];
}

/** A ConfigMap of the body-based router: the adapters of a base model. */
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

/** A GCPBackendPolicy: how full the pods of a Service or an imported pool may get. */
export interface BackendPolicy extends Named {
  kind: "backend-policy";
  target: TargetRef;
  mode: "CUSTOM_METRICS" | "IN_FLIGHT" | "RATE" | "UTILIZATION" | "CONNECTION" | null;
  metrics: ReadonlyArray<{ name: string; dryRun: boolean; maxPercent: number | null }>;
  mostInFlight: number | null;
  short: boolean;
  timeoutSec: number | null;
  dryRun: boolean;
  /** Keys of the object that Pilotfish does not use. */
  unused: readonly string[];
}

/** A HealthCheckPolicy: how the pods of a pool or Service are probed. */
export interface HealthCheck extends Named {
  kind: "health-check";
  target: TargetRef;
  type: string;
  path: string;
  /** The port that is probed; null: the serving port. */
  port: number | null;
  intervalMs: number;
  timeoutMs: number;
  healthy: number;
  unhealthy: number;
}

/** An AutoscalingMetric: metrics of the selected pods, and the names under which they are exported. */
export interface LoadMetric extends Named {
  kind: "load-metric";
  selector: Readonly<Record<string, string>>;
  path: string;
  port: number | null;
  metrics: ReadonlyArray<{ name: string; exportName: string }>;
}

/** A GCPInferencePoolImport: all exported pools of its name, in every cluster. */
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

/** All objects of one source, for snapshots and for people. */
export interface ClusterSeen extends ClusterView {
  source: string;
  /** `namespace/name` of the pools whose pods are used. */
  followed: readonly string[];
  /** One sentence for each demand of an object that Pilotfish cannot meet. */
  problems: readonly string[];
  /** The watches or files that the objects come from, with their state. */
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

/** Returns the object's name for people, such as `InferencePool default/llama`. */
export function titleOf({ kind, namespace, name }: ClusterObject): string {
  return `${KINDS[kind]} ${namespace}/${name}`;
}

/** Returns a text that is unique among objects. Pools of the two API groups may share a name. */
export function identityOf(object: ClusterObject): string {
  const kind = object.kind === "pool" && object.version !== "v1" ? "pool-alpha" : object.kind;
  return `${kind} ${object.namespace}/${object.name}`;
}

/** The part of a view that declares models, priorities and policies: everything but pods and slices. */
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

/** Makes a view. Objects are sorted by identity, so that the order of arrival does not matter. */
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
