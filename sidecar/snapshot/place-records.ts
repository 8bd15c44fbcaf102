// Adds places and policies to a snapshot: the place of each pod, the order of the places, and the policy of each model.
import type { SnapshotView } from "../../protocol/snapshot.ts";
import type { Pod } from "../pod.ts";
import type { PlaceOrder } from "../policies/place-order.ts";
import { applyPolicies, type Policy } from "../policies/policy.ts";

export interface World {
  /** The place of pods without a place of their own. */
  here: string;
  /** Whether places are configured. Then the snapshot has places even if no pod names a place and no policy exists. */
  configured: boolean;
  order: PlaceOrder;
  regions: ReadonlyMap<string, string>;
  roundTripsMs: ReadonlyMap<string, number>;
  /** Policies in their order. The first policy that applies to a model counts. */
  policies: readonly Policy[];
}

/** The default policy, for models without a policy: places are used in their order. */
const DEFAULT: Policy = {
  name: "places",
  targets: [],
  models: [],
  mode: "order",
  target: null,
  mostInFlight: null,
  timeoutMs: null,
  dryRun: false,
  short: false,
};

export function addPlaces(view: SnapshotView, pods: readonly Pod[], world: World): void {
  const { here, configured, order, regions, roundTripsMs, policies } = world;
  const placed = configured || policies.length > 0 || pods.some(({ place }) => place !== undefined);
  if (!placed) return;
  view.places = order.places(
    pods.map(({ place }) => place ?? here),
    regions,
    roundTripsMs,
  );
  const known = new Set(view.places.map(({ name }) => name));
  for (const [i, { place = here, gateway }] of pods.entries()) {
    const endpoint = view.endpoints[i];
    if (endpoint === undefined) continue;
    if (known.has(place)) endpoint.place = place;
    if (gateway === undefined) continue;
    endpoint.gateway = true;
    endpoint.weight = Math.min(Math.max(1, gateway), 0xffff);
  }
  const belongsTo = new Map(pods.map(({ address, cluster }) => [address, cluster?.of]));
  // The default policy matters only with several places.
  const all = view.places.length > 1 ? [...policies, DEFAULT] : policies;
  view.policies = applyPolicies(view.models, all, (address) => belongsTo.get(address));
}
