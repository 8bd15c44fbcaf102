// What it would cost to send one more request to an endpoint, in requests; the lowest wins.
//
//   cost(p) = seen(p) + unseen(p) + min(waiting(p), unseen(p)) + KV_REQUESTS * kv(p)
//
//   seen     requests in flight that the filters of this Envoy sent: exact and never stale (inflight.ts)
//   unseen   requests that the model server reported beyond those, averaged over 2 s, less NOISE
//   waiting  the model server's queue at the last scrape. Own requests in it are in `seen` and may be out of it again; of
//            the others' each counts twice, because it has no first token yet
//   kv       fraction of the KV cache in use, 0...1
//
// A signal that one of the candidates lacks is dropped for all of them: unlike numbers are never compared.
import { UNKNOWN } from "../../protocol/constants";
import { SnapshotView } from "../snapshot/view";
import { seenInFlight, unseenInFlight } from "./inflight";

/** A full KV cache weighs as much as this many requests. */
const KV_REQUESTS: f32 = 4;

/** Own requests end between a scrape and its arrival: less than this many unseen ones say nothing. */
const NOISE: f32 = 1;

export const USE_QUEUE: u32 = 1;
export const USE_KV: u32 = 2;

/** Which signals every one of an endpoint's rivals must have for them to be used: the intersection over candidates. */
export function signalsOf(view: SnapshotView, endpoint: u32): u32 {
  const kv = view.kvUsage(endpoint);
  const queue = view.waiting(endpoint) != UNKNOWN && view.running(endpoint) != UNKNOWN;
  return (queue ? USE_QUEUE : 0) | (kv == kv ? USE_KV : 0);
}

export function cost(view: SnapshotView, endpoint: u32, signals: u32): f32 {
  let sum = <f32>seenInFlight(endpoint);
  if (signals & USE_QUEUE) {
    const unseen = max<f32>(unseenInFlight(endpoint) - NOISE, 0);
    sum += unseen + min<f32>(<f32>view.waiting(endpoint), unseen);
  }
  if (signals & USE_KV) sum += KV_REQUESTS * view.kvUsage(endpoint);
  return sum;
}
