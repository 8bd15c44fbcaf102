// The content of a snapshot as objects. README.md beside this file has the layout in bytes.
import type { CachedView } from "./cached.ts";

export interface EndpointView {
  /** The endpoint's address, `a.b.c.d:port` or `[ipv6]:port`, in Envoy's spelling. */
  address: string;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  /** Requests that wait and requests that run; null if the model server does not report them. */
  waiting: number | null;
  running: number | null;
  /** Fraction of the KV cache in use, 0...1; null if not reported. */
  kvUsage: number | null;
  /** Milliseconds between the scrape and the making of the snapshot; null if the endpoint was never scraped. */
  scrapeAgeMs: number | null;
  kvBlocks: number | null;
  blockTokens: number | null;
  /** Number of adapters that can be active at once; 0 if none or unknown. */
  maxLora: number;
  /** Name of the endpoint's place; absent if the endpoint has no place. */
  place?: string;
  /** Number of pods that the endpoint stands for; 1 when absent. */
  weight?: number;
  /** Whether the endpoint is a cluster's gateway and stands for all endpoints of its place. */
  gateway?: boolean;
  /** Uncached prompt tokens that the endpoint prefills each second; absent if not learned. */
  prefillRate?: number;
  /** Seconds of an engine step without its prefill and without its sequences; absent if not learned. */
  stepSeconds?: number;
  /** Seconds that one more running sequence adds to an engine step; absent if not learned. */
  sequenceSeconds?: number;
  /** Name of the endpoint's pool. */
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
  /** Name of the base model. A base model has its own name; an adapter has the name of a listed base model, or null. */
  base: string | null;
  endpoints: ModelEndpointView[];
  /** Name of a listed policy; absent if no policy is for the model. */
  policy?: string;
  /** Name of the pool whose endpoints serve the model, if it is exactly one pool. */
  pool?: string | undefined;
}

export interface PlaceView {
  name: string;
  /** Places of the lowest order are filled first. Places of one order share requests by weight. */
  order: number;
  roundTripUs: number | null;
  weight: number;
}

export type PolicyMode = "order" | "utilization" | "in-flight";

export interface PolicyView {
  name: string;
  mode: PolicyMode;
  /** Fraction of the KV cache, above 0 and at most 1; null unless the mode is "utilization". */
  target: number | null;
  /** Limit of in-flight requests per pod; null unless the mode is "in-flight". */
  mostInFlight: number | null;
  timeoutMs: number | null;
  dryRun: boolean;
  short: boolean;
}

export interface PoolView {
  /** The pool's name, `namespace/name`. */
  name: string;
}

/** How many tokens the text of a prompt has. README.md has the formula. */
export interface TokenizerView {
  /** Name of a listed base model. */
  model: string;
  /** Tokens of each request beside its text. */
  tokensPerRequest: number;
  /** Tokens a byte for each of the BYTE_CLASSES. */
  tokensPerByte: number[];
}

/** The priority of requests that name this objective. */
export interface ObjectiveView {
  name: string;
  /** A higher value is more important. Requests below 0 may be shed. */
  priority: number;
  /** The pool whose requests the objective is for; null: every pool. */
  pool: string | null;
}

/** The models that serve requests for a name. */
export interface RuleView {
  /** The name that requests ask for; null matches every name. */
  model: string | null;
  /** The pool whose requests the rule is for; null: every pool. */
  pool: string | null;
  /** Priority of requests that name no objective; null if the rule has no priority. */
  priority: number | null;
  /** The models and their weights. If all weights are 0, all targets are equally likely. */
  targets: Array<{ model: string; weight: number }>;
}

export interface RemoteCounts {
  requests: number;
  /** Settled requests: the in-flight requests that have lived through a tick. */
  lasted: number;
  /** Waiting tokens: uncached prompt tokens of requests without a first byte. */
  pending: number;
  /** Uncached prompt tokens that were ever sent, modulo 2^32. */
  sent: number;
}

/** Section REMOTE: requests and tokens of other Envoys. */
export interface RemoteView {
  envoys: number;
  /** Counts by the endpoint's address. An endpoint without an entry has no requests. */
  counts: Readonly<Record<string, RemoteCounts>>;
}

/** Blocks that an Envoy sent to an endpoint. */
export interface PrefixRecord {
  endpoint: bigint;
  seed: bigint;
  /** Estimated tokens of a piece of the prompt, in units of PREFIX_UNIT_TOKENS, 0...127; 0: a token for every four bytes. */
  units: number;
  /** The record's number, which ascends from record to record of one producer; 0 in a traffic report. */
  number: bigint;
  blocks: bigint[];
}

export interface SnapshotView {
  /** Microseconds since the Unix epoch by the producer's clock. Decides which snapshot is newer. */
  version: bigint;
  /** Random id of the producing process. */
  source: bigint;
  /** Whether the producer knows all its pods and could scrape most of them. */
  complete?: boolean;
  endpoints: EndpointView[];
  models: ModelView[];
  places?: PlaceView[];
  policies?: PolicyView[];
  /** If a list is left out, the snapshot has no section for it. */
  pools?: PoolView[] | undefined;
  objectives?: ObjectiveView[] | undefined;
  rules?: RuleView[] | undefined;
  tokenizers?: TokenizerView[] | undefined;
  /** In-flight requests of other Envoys. */
  remote?: RemoteView;
  /** Prefixes that other Envoys sent lately. */
  prefixes?: PrefixRecord[];
  /** Blocks that endpoints probably have cached, for workers whose prefix index is empty. */
  cached?: CachedView;
}
