// What a snapshot says, free of its bytes. README.md beside this file has the layout in bytes.

export interface EndpointView {
  /** `a.b.c.d:port` or `[ipv6]:port`, written as Envoy writes it. */
  address: string;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  /** null where the model server does not say. */
  waiting: number | null;
  running: number | null;
  /** 0...1 */
  kvUsage: number | null;
  /** Milliseconds between the scrape and the making of the snapshot; null when never scraped. */
  scrapeAgeMs: number | null;
  kvBlocks: number | null;
  blockTokens: number | null;
  /** Adapters that can be active at once; 0 when none or unknown. */
  maxLora: number;
  /** Absent where it has no place. */
  place?: string;
  /** How many pods it counts for; 1 when absent. */
  weight?: number;
  /** It stands for all endpoints of its place, behind that cluster's gateway. */
  gateway?: boolean;
  /** Name of the pool that it belongs to. */
  pool?: string | undefined;
}

export type AdapterState = "listed" | "running" | "waiting";

export interface ModelEndpointView {
  address: string;
  state: AdapterState;
}

export interface ModelView {
  name: string;
  kind: "base" | "adapter";
  /** A base names itself; an adapter names a listed base, or null. */
  base: string | null;
  endpoints: ModelEndpointView[];
  /** Name of a listed policy; absent when none is for the model. */
  policy?: string;
  /** Name of the pool whose endpoints serve it, when it is one. */
  pool?: string | undefined;
}

export interface PlaceView {
  name: string;
  /** The lowest is filled first; places of one order share by weight. */
  order: number;
  roundTripUs: number | null;
  weight: number;
}

export type PolicyMode = "order" | "utilization" | "in-flight";

export interface PolicyView {
  name: string;
  mode: PolicyMode;
  /** Above 0, at most 1; null but for "utilization". */
  target: number | null;
  /** Per pod; null but for "in-flight". */
  mostInFlight: number | null;
  timeoutMs: number | null;
  dryRun: boolean;
  short: boolean;
}

export interface PoolView {
  /** `namespace/name` */
  name: string;
}

/** How important a request is that names it. */
export interface ObjectiveView {
  name: string;
  /** Higher is more important, below 0 may be shed. */
  priority: number;
  /** Only requests to this pool; null for all. */
  pool: string | null;
}

/** What is served in the place of a name. */
export interface RuleView {
  /** The name that requests ask for; null matches every name. */
  model: string | null;
  /** Only requests to this pool; null for all. */
  pool: string | null;
  /** Of requests that name no objective; null if the rule has none. */
  priority: number | null;
  /** If all weights are 0, all targets are equally likely. */
  targets: Array<{ model: string; weight: number }>;
}

export interface RemoteCounts {
  requests: number;
  /** Settled requests: of these, those that have lived through a tick. */
  lasted: number;
  /** Prompt tokens that wait for a first byte. */
  pending: number;
  /** Prompt tokens ever sent, modulo 2^32. */
  sent: number;
}

/** Section REMOTE: what other Envoys have in flight. */
export interface RemoteView {
  envoys: number;
  /** By address. An endpoint without an entry has no requests. */
  counts: Readonly<Record<string, RemoteCounts>>;
}

/** Blocks that an Envoy sent to an endpoint. */
export interface PrefixRecord {
  endpoint: bigint;
  seed: bigint;
  /** Ascends from record to record of one producer; 0 in a report. */
  number: bigint;
  blocks: bigint[];
}

export interface SnapshotView {
  /** Microseconds since the Unix epoch at the producer; decides which snapshot is newer. */
  version: bigint;
  /** Random id of the producing process. */
  source: bigint;
  /** The producer knows its pods, and most of them answer it. */
  complete?: boolean;
  endpoints: EndpointView[];
  models: ModelView[];
  places?: PlaceView[];
  policies?: PolicyView[];
  /** A list that is left out has no section. */
  pools?: PoolView[] | undefined;
  objectives?: ObjectiveView[] | undefined;
  rules?: RuleView[] | undefined;
  /** What other Envoys have in flight. */
  remote?: RemoteView;
  /** What other Envoys sent lately. */
  prefixes?: PrefixRecord[];
}
