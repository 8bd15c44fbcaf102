// What it would cost to send one more request to an endpoint, in requests; the lowest wins.
//
//   cost(p) = n(p) + waiting(p) + KV_REQUESTS * kv(p)
//
//   n        requests on the endpoint now: own in flight, exact, and those that others sent (inflight.ts)
//   waiting  the model server's queue at the last scrape: a request there has no first token yet, so it counts twice
//   kv       fraction of the KV cache in use, 0...1
//
// A signal that one of the candidates lacks is dropped for all of them: unlike numbers are never compared.
import { UNKNOWN } from "../../protocol/constants";
import { SnapshotView } from "../snapshot/view";
import { inFlight } from "./inflight";

/** A full KV cache weighs as much as this many requests. */
const KV_REQUESTS: f32 = 4;

export const USE_WAITING: u32 = 1;
export const USE_KV: u32 = 2;

/** Which signals every one of an endpoint's rivals must have for them to be used: the intersection over candidates. */
export function signalsOf(view: SnapshotView, endpoint: u32): u32 {
  const kv = view.kvUsage(endpoint);
  return (view.waiting(endpoint) != UNKNOWN ? USE_WAITING : 0) | (kv == kv ? USE_KV : 0);
}

export function cost(view: SnapshotView, endpoint: u32, signals: u32): f32 {
  let sum = <f32>inFlight(endpoint);
  if (signals & USE_WAITING) sum += <f32>view.waiting(endpoint);
  if (signals & USE_KV) sum += KV_REQUESTS * view.kvUsage(endpoint);
  return sum;
}
