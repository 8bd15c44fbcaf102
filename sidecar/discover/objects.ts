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

export type ClusterObject = Pool | PodObject | Slice | Objective | ServedModel | Rewrite | AdapterMap;

export interface ClusterView {
  pools: Pool[];
  pods: PodObject[];
  slices: Slice[];
  objectives: Objective[];
  models: ServedModel[];
  rewrites: Rewrite[];
  adapterMaps: AdapterMap[];
}

const KINDS: Readonly<Record<ClusterObject["kind"], string>> = {
  pool: "InferencePool",
  pod: "Pod",
  slice: "EndpointSlice",
  objective: "InferenceObjective",
  model: "InferenceModel",
  rewrite: "InferenceModelRewrite",
  adapters: "ConfigMap",
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
export function saidOf({ pools, objectives, models, rewrites, adapterMaps }: ClusterView): object {
  return {
    pools: pools.map(({ namespace, name }) => `${namespace}/${name}`),
    objectives,
    models,
    rewrites,
    adapterMaps,
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
  };
  for (const { object } of all) {
    if (object.kind === "pool") view.pools.push(object);
    else if (object.kind === "pod") view.pods.push(object);
    else if (object.kind === "slice") view.slices.push(object);
    else if (object.kind === "objective") view.objectives.push(object);
    else if (object.kind === "model") view.models.push(object);
    else if (object.kind === "rewrite") view.rewrites.push(object);
    else view.adapterMaps.push(object);
  }
  return view;
}
