// To which part of a model's endpoints a pick is kept: those of one place, which lie beside each other (snapshot/group-by-place.ts), and of
// these only the ones that hold fewer requests than a policy allows. The pick asks here in place of the snapshot.
import { entryOf } from "../endpoints/entries";
import { workersBeside } from "../endpoints/in-flight";
import { NONE, SnapshotView } from "../snapshot/view";

let first: u32 = NONE;
let count: u32 = 0;
/** Requests that an endpoint may hold for each pod that it counts for; 0: as many as it likes. */
let most: u32 = 0;

export function keepTo(firstLink: u32, links: u32, mostInFlight: u32): void {
  first = firstLink;
  count = links;
  most = mostInFlight;
}

export function keepToAll(): void {
  first = NONE;
  most = 0;
}

export function firstLink(view: SnapshotView, model: u32): u32 {
  return first == NONE ? view.modelFirst(model) : first;
}

export function linkCount(view: SnapshotView, model: u32): u32 {
  return first == NONE ? view.modelEndpoints(model) : count;
}

/** Whether one more request may be sent to the endpoint, as far as policies go. */
export function admits(view: SnapshotView, endpoint: u32): bool {
  return most == 0 || inFlightAt(endpoint) < <f32>(most * view.endpointWeight(endpoint));
}

/** Own requests end between a scrape and its arrival: less than this many unseen ones say nothing (pick/load-cost.ts). */
const NOISE: f32 = 1;

/**
 * Requests on an endpoint that may be there by now: own ones, what other workers and Envoys told, as many again for each worker as
 * this one sent since it told them, and what the model server reported beyond those.
 */
export function inFlightAt(endpoint: u32): f32 {
  const entry = entryOf(endpoint);
  const burst = max(entry.own - entry.published, 0) * workersBeside();
  return <f32>max(entry.own + entry.others + entry.remote + burst, 0) + max<f32>(entry.unseenAverage - NOISE, 0);
}
