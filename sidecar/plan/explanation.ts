// Writes lines for people with the numbers of a snapshot that decide where a model's requests go.
import type { EndpointView, PolicyView, SnapshotView } from "../../protocol/snapshot.ts";
import { limitText } from "../policies/policy.ts";

/** Returns the lines. `picked`: the endpoints of the pick and its retries, in their order. */
export function explanationOf(view: SnapshotView, name: string | undefined, picked: readonly string[]): string[] {
  const model = view.models.find((each) => each.name === name);
  if (model === undefined) return [`the snapshot has ${view.models.length} models, and this one is none of them`];
  const serving = new Set(model.endpoints.map(({ address }) => address));
  const endpoints = view.endpoints.filter(({ address }) => serving.has(address));
  const policy = view.policies?.find((each) => each.name === model.policy);
  if (view.places === undefined || policy === undefined) return endpointLines(endpoints, picked);
  const chosen = endpoints.find(({ address }) => address === picked[0])?.place;
  return [
    `policy "${policy.name}": ${policyText(policy)}`,
    ...placeLines(view.places, endpoints, { policy, chosen }),
    ...endpointLines(
      endpoints.filter(({ place }) => place === chosen),
      picked,
    ),
  ];
}

function placeLines(
  places: NonNullable<SnapshotView["places"]>,
  endpoints: readonly EndpointView[],
  { policy, chosen }: { policy: PolicyView; chosen: string | undefined },
): string[] {
  const sorted = [...places].sort((a, b) => a.order - b.order);
  return sorted.flatMap(({ name, order, roundTripUs }) => {
    const here = endpoints.filter(({ place }) => place === name);
    if (here.length === 0) return [];
    const trip = roundTripUs === null ? "" : `, ${roundTripUs / 1000} ms away`;
    return [`${name === chosen ? "→ " : "  "}${name}: order ${order}${trip}; ${loadText(here, policy)}`];
  });
}

function policyText(policy: PolicyView): string {
  const limit = limitText(policy);
  return policy.dryRun ? `${limit} (dry run: counted, not applied)` : limit;
}

function loadText(endpoints: readonly EndpointView[], { mode, target, mostInFlight }: PolicyView): string {
  const ready = endpoints.filter(isUsable);
  if (ready.length === 0) return `none of ${endpoints.length} is ready`;
  const pods = ready.reduce((sum, { weight }) => sum + (weight ?? 1), 0);
  const sum = (of: (each: EndpointView) => number | null) => ready.reduce((all, each) => all + (of(each) ?? 0), 0);
  const requests = sum(({ running }) => running) + sum(({ waiting }) => waiting);
  const kv = sum(({ kvUsage, weight }) => (kvUsage ?? 0) * (weight ?? 1)) / pods;
  const load = `${pods} pods ready, ${requests} requests, KV cache ${percent(kv)}`;
  if (mode === "utilization") return `${load}: ${percent(kv / (target ?? 1))} of its target`;
  if (mode === "in-flight") return `${load}: ${percent(requests / (pods * (mostInFlight ?? 1)))} of its limit`;
  return load;
}

const MAX_LINES = 8;

/** Returns a line for each endpoint: the picked endpoints first, then the others by their load. */
function endpointLines(endpoints: readonly EndpointView[], picked: readonly string[]): string[] {
  const load = ({ running, waiting }: EndpointView) => (running ?? 0) + (waiting ?? 0);
  const sorted = [...endpoints].sort((a, b) => rankOf(a, picked) - rankOf(b, picked) || load(a) - load(b));
  const lines = sorted.slice(0, MAX_LINES).map((each) => {
    const { address, waiting, running, kvUsage } = each;
    const state = isUsable(each) ? "" : ", not ready";
    const kv = kvUsage === null ? "" : `, KV cache ${percent(kvUsage)}`;
    const mark = picked[0] === address ? "→ " : "  ";
    const rate = each.prefillRate === undefined ? "" : `, prefills ${Math.round(each.prefillRate)} tokens/s`;
    return `${mark}${address}: ${running ?? "?"} running, ${waiting ?? "?"} waiting${kv}${rate}${state}`;
  });
  const more = sorted.length - MAX_LINES;
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
}

function rankOf({ address }: EndpointView, picked: readonly string[]): number {
  const at = picked.indexOf(address);
  return at < 0 ? picked.length : at;
}

function isUsable({ ready, draining, asleep }: EndpointView): boolean {
  return ready && !draining && !asleep;
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
