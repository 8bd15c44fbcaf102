// Builds the view that a snapshot encodes, from pods, their models, and the cluster's objects.
import { MAX_ENDPOINTS, MAX_MODEL_ENDPOINTS, MAX_MODELS } from "../../protocol/constants.ts";
import type {
  AdapterState,
  EndpointView,
  ModelEndpointView,
  ModelView,
  SnapshotView,
} from "../../protocol/snapshot.ts";
import type { ServerCosts } from "../learn/server-costs.ts";
import type { Tokenizer } from "../learn/tokenizer-fit.ts";
import type { Pod } from "../pod.ts";
import type { ModelMemory } from "./memory.ts";
import { type ClusterObjects, poolOf } from "./objects.ts";
import { addPlaces, type World } from "./place-records.ts";

/** The models under `models.static` of the configuration. They win over the models that pods list. */
export type StaticModels = Readonly<
  Record<string, { base?: string | undefined; endpoints?: readonly string[] | undefined }>
>;

export interface Dropped {
  endpoints: number;
  models: number;
  /** Number of pools, objectives and rules. */
  objects: number;
}

interface Built {
  view: SnapshotView;
  /** The number of entries that did not fit into the snapshot; nearly always 0. */
  dropped: Dropped;
}

/** What is known of the costs of pods and models (run/costs.ts). */
export interface SnapshotCosts {
  ofPod(pod: Pod): ServerCosts;
  ofModel(model: string, pool: string | undefined): Tokenizer | undefined;
}

const MAX_COUNT = 0xfffffffe;

function count(value: number | null): number | null {
  return value === null ? null : Math.min(Math.round(value), MAX_COUNT);
}

function endpointOf(pod: Pod, now: number, costs: ServerCosts): EndpointView {
  const { reading, scrapedAt } = pod;
  const { kvBlocks = reading?.kvBlocks ?? null, ...learned } = costs;
  return {
    address: pod.address,
    ready: pod.health.ready && pod.cluster?.ready !== false,
    draining: pod.cluster?.draining ?? false,
    asleep: reading?.asleep === true || pod.cluster?.asleep === true,
    waiting: count(reading?.waiting ?? null),
    running: count(reading?.running ?? null),
    kvUsage: reading?.kvUsage == null ? null : Math.min(1, Math.max(0, reading.kvUsage)),
    // The age is rounded up, since a reading must not seem younger than it is.
    scrapeAgeMs: scrapedAt === null ? null : count(Math.max(0, Math.ceil(now - scrapedAt))),
    kvBlocks: count(kvBlocks),
    blockTokens: count(reading?.blockTokens ?? null),
    maxLora: Math.min(reading?.adapters?.max ?? 0, 0xffff),
    ...learned,
  };
}

function stateOf(pod: Pod, model: string): AdapterState {
  const adapters = pod.reading?.adapters;
  if (adapters?.running.includes(model)) return "running";
  return adapters?.waiting.includes(model) ? "waiting" : "listed";
}

interface Draft {
  /** The parents that pods list for the model. null: a pod lists the model as a base model. */
  parents: Set<string | null>;
  pods: Pod[];
}

/**
 * Collects the models that pods list. Models of `fixed` replace listed models. `bases`: adapter -> base, for adapters without
 * a listed parent.
 */
function collect(pods: readonly Pod[], fixed: StaticModels, bases?: ReadonlyMap<string, string>): Map<string, Draft> {
  const drafts = new Map<string, Draft>();
  for (const pod of pods) {
    for (const { name, parent } of pod.models) {
      let draft = drafts.get(name);
      if (draft === undefined) {
        draft = { parents: new Set(), pods: [] };
        drafts.set(name, draft);
      }
      draft.parents.add(parent);
      draft.pods.push(pod);
    }
  }
  for (const [name, base] of bases ?? []) {
    const draft = drafts.get(name);
    if (draft?.parents.size === 1 && draft.parents.has(null) && drafts.has(base)) draft.parents = new Set([base]);
  }
  for (const [name, { base, endpoints }] of Object.entries(fixed)) {
    const serving = endpoints === undefined ? [...pods] : pods.filter((pod) => endpoints.includes(pod.address));
    drafts.set(name, { parents: new Set([base ?? null]), pods: serving });
  }
  return drafts;
}

function modelsOf(drafts: ReadonlyMap<string, Draft>, dropped: Dropped): ModelView[] {
  const isBase = (name: string | null) => name !== null && drafts.get(name)?.parents.has(null) === true;
  const models: ModelView[] = [];
  let served = 0;
  // Models are sorted, so that the models left out do not depend on which pod responded first.
  for (const [name, { parents, pods }] of [...drafts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (models.length === MAX_MODELS || served + pods.length > MAX_MODEL_ENDPOINTS) {
      dropped.models++;
      continue;
    }
    served += pods.length;
    // If pods disagree, a base model wins over an adapter of the same name. If they list several bases, the first by name
    // wins.
    const kind = parents.has(null) ? "base" : "adapter";
    const base = kind === "base" ? name : ([...parents].filter(isBase).sort()[0] ?? null);
    const endpoints = pods.map((pod): ModelEndpointView => {
      return { address: pod.address, state: kind === "base" ? "listed" : stateOf(pod, name) };
    });
    models.push({ name, kind, base, endpoints });
  }
  // A model must not name a base that was left out.
  const listed = new Set(models.map((model) => model.name));
  for (const model of models) if (model.base !== null && !listed.has(model.base)) model.base = null;
  return models;
}

/** Sets each model's pool, if all its endpoints are in one pool. */
function setPools(models: readonly ModelView[], endpoints: readonly EndpointView[]): void {
  const pools = new Map(endpoints.map(({ address, pool }) => [address, pool]));
  for (const model of models) {
    const of = new Set(model.endpoints.map(({ address }) => pools.get(address)));
    const [pool] = of;
    if (of.size === 1 && pool !== undefined) model.pool = pool;
  }
}

export interface ClusterParts {
  objects: ClusterObjects;
  memory: ModelMemory;
}

export function buildSnapshot(
  pods: Iterable<Pod>,
  fixed: StaticModels,
  stamp: { version: bigint; source: bigint; now: number },
  cluster?: ClusterParts,
  world?: World,
  costs?: SnapshotCosts,
): Built {
  const dropped: Dropped = { endpoints: 0, models: 0, objects: cluster?.objects.dropped ?? 0 };
  let all = [...pods];
  if (all.length > MAX_ENDPOINTS) {
    dropped.endpoints = all.length - MAX_ENDPOINTS;
    all = all.sort((a, b) => (a.address < b.address ? -1 : 1)).slice(0, MAX_ENDPOINTS);
  }
  const endpoints = all.map((pod) => endpointOf(pod, stamp.now, costs?.ofPod(pod) ?? {}));
  const models = modelsOf(collect(all, fixed, cluster?.objects.bases), dropped);
  const view: SnapshotView = { version: stamp.version, source: stamp.source, endpoints, models };
  if (cluster !== undefined) addObjects(view, all, cluster, dropped);
  if (world !== undefined) addPlaces(view, all, world);
  if (costs !== undefined) addTokenizers(view, costs);
  return { view, dropped };
}

function addTokenizers(view: SnapshotView, costs: SnapshotCosts): void {
  const known = view.models.flatMap(({ name, kind, pool }) => {
    const tokenizer = kind === "base" ? costs.ofModel(name, pool) : undefined;
    return tokenizer === undefined ? [] : [{ model: name, ...tokenizer }];
  });
  if (known.length > 0) view.tokenizers = known;
}

function addObjects(
  view: SnapshotView,
  pods: readonly Pod[],
  { objects, memory }: ClusterParts,
  dropped: Dropped,
): void {
  const { endpoints, models } = view;
  for (const [i, pod] of pods.entries()) {
    const pool = poolOf(pod.cluster?.of, objects.pools);
    const endpoint = endpoints[i];
    if (endpoint !== undefined && pool !== undefined) endpoint.pool = pool;
  }
  setPools(models, endpoints);
  const absent = memory.absent(models, objects);
  const room = MAX_MODELS - models.length;
  dropped.models += Math.max(0, absent.length - room);
  models.push(...absent.slice(0, room));
  const listed = new Map(models.map(({ name, kind }) => [name, kind]));
  for (const model of models) {
    if (model.kind === "adapter" && model.base !== null && listed.get(model.base) !== "base") model.base = null;
  }
  view.pools = objects.pools.map((name) => ({ name }));
  view.objectives = [...objects.objectives];
  view.rules = [...objects.rules];
}
