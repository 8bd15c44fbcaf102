// The view: what a sidecar offers to the sidecars of other clusters, at GET /.pilotfish/view with the shared secret. A view
// has only the sidecar's own pods, never imported pods. So a pod cannot come back to its own cluster through a peer.
//
//   { "version": 1, "place", "region", "pods": [ {...} ] }                       every exported pod
//   { "version": 1, "place", "region", "sums": {...} }     ?sums=1               all exported pods as one, for peers that use the gateway
//
// `version` rises when a field changes its meaning. A new field does not change it: readers ignore unknown fields.
import { z } from "zod";
import { VIEW_PATH } from "../../protocol/constants.ts";
import { isAddress, isPlaceName, nameProblem } from "../../protocol/grammar.ts";
import { HttpFailure } from "../http.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { Pod } from "../pod.ts";

const VIEW_VERSION = 1;

const count = z.number().min(0).nullable();
const model = z.tuple([z.string().refine((name) => nameProblem(name) === null), z.string().nullable()]);

const load = z.object({
  waiting: count,
  running: count,
  kvUsage: z.number().min(0).max(1).nullable(),
  /** Milliseconds since the oldest reading; null: no reading. */
  ageMs: count,
});

const pod = load.extend({
  address: z.string().refine(isAddress),
  engine: z.string(),
  ready: z.boolean(),
  draining: z.boolean(),
  asleep: z.boolean(),
  kvBlocks: count,
  blockTokens: count,
  adapters: z.object({ max: z.number(), running: z.array(z.string()), waiting: z.array(z.string()) }).nullable(),
  models: z.array(model),
  of: z.array(z.string()),
});

const sums = load.extend({
  /** Number of ready pods. */
  pods: z.int().min(0),
  models: z.array(model),
  of: z.array(z.string()),
});

const head = {
  version: z.literal(VIEW_VERSION),
  place: z.string().refine(isPlaceName),
  region: z.string().nullable(),
};
const podsView = z.object({ ...head, pods: z.array(pod) });
const sumsView = z.object({ ...head, sums });

export type OfferedPod = z.output<typeof pod>;
export type OfferedSums = z.output<typeof sums>;
export type PodsView = z.output<typeof podsView>;
type SumsView = z.output<typeof sumsView>;

interface Offer {
  place: string;
  region: string | undefined;
  /** Pools, as name or namespace/name; `*` means every pod. */
  pools: readonly string[];
}

/** Reads a view. Throws an HttpFailure "invalid" for a body that is not a view of this version. */
export function parseView<T extends "pods" | "sums">(body: Buffer, which: T): T extends "pods" ? PodsView : SumsView {
  let json: unknown;
  try {
    json = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new HttpFailure("invalid", `${VIEW_PATH}: not JSON: ${(error as Error).message}`);
  }
  const parsed = (which === "pods" ? podsView : sumsView).safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new HttpFailure("invalid", `${VIEW_PATH}: ${issue?.path.join(".") || "view"}: ${issue?.message}`);
  }
  return parsed.data as T extends "pods" ? PodsView : SumsView;
}

/**
 * Whether a pod is offered to peers. With `*` all pods are offered, else the pods of `pools`, given as name or
 * namespace/name.
 */
function offered({ cluster }: Pod, pools: ReadonlySet<string>): boolean {
  if (pools.has("*")) return true;
  return (cluster?.of ?? []).some((of) => {
    const name = of.slice(of.indexOf(" ") + 1);
    return pools.has(name) || pools.has(name.slice(name.indexOf("/") + 1));
  });
}

/** Makes the view of the exported pods at Clock.now() `now`. With `sumsOnly` the view has all pods as one. */
export function viewOf(
  pods: Iterable<Pod>,
  seen: readonly ClusterSeen[],
  offer: Offer,
  now: number,
  sumsOnly: boolean,
): PodsView | SumsView {
  const annotated = seen.flatMap(({ pools }) => pools.filter(({ exported }) => exported === true));
  const names = new Set([...offer.pools, ...annotated.map(({ namespace, name }) => `${namespace}/${name}`)]);
  const given = { version: VIEW_VERSION as 1, place: offer.place, region: offer.region ?? null };
  const chosen = [...pods].filter((each) => offered(each, names));
  const listed = chosen.map((each) => offerOf(each, now));
  return sumsOnly ? { ...given, sums: sumOf(listed) } : { ...given, pods: listed };
}

function offerOf({ address, engine, health, reading, scrapedAt, models, cluster }: Pod, now: number): OfferedPod {
  return {
    address,
    engine,
    ready: health.ready && cluster?.ready !== false,
    draining: cluster?.draining ?? false,
    asleep: reading?.asleep === true || cluster?.asleep === true,
    waiting: reading?.waiting ?? null,
    running: reading?.running ?? null,
    kvUsage: reading?.kvUsage == null ? null : Math.min(1, Math.max(0, reading.kvUsage)),
    ageMs: scrapedAt === null ? null : Math.max(0, Math.ceil(now - scrapedAt)),
    kvBlocks: reading?.kvBlocks ?? null,
    blockTokens: reading?.blockTokens ?? null,
    adapters: reading?.adapters ?? null,
    models: models.map(({ name, parent }) => [name, parent]),
    of: cluster?.of ?? [],
  };
}

function sumOf(pods: readonly OfferedPod[]): OfferedSums {
  const usable = pods.filter(({ ready, draining, asleep }) => ready && !draining && !asleep);
  const sum = (of: (each: OfferedPod) => number | null): number | null => {
    const known = usable.map(of).filter((value) => value !== null);
    return known.length < usable.length || known.length === 0 ? null : known.reduce((all, value) => all + value, 0);
  };
  const usage = sum(({ kvUsage }) => kvUsage);
  const ages = usable.map(({ ageMs }) => ageMs).filter((age) => age !== null);
  const models = new Map(pods.flatMap((each) => each.models));
  return {
    pods: usable.length,
    waiting: sum(({ waiting }) => waiting),
    running: sum(({ running }) => running),
    kvUsage: usage === null ? null : usage / usable.length,
    ageMs: ages.length === 0 ? null : Math.max(...ages),
    models: [...models],
    of: [...new Set(pods.flatMap(({ of }) => of))],
  };
}
