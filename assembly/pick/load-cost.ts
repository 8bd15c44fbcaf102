// Profile "load": the cost of one more request on an endpoint, in requests. The lowest cost wins.
//
//   cost(p) = seen(p) + queue(p) + KV_REQUESTS * kv(p)       queue(p) = unseen(p) + min(waiting(p), unseen(p))
//
//   seen     in-flight requests that filters sent (seenInFlight() of endpoints/in-flight.ts)
//   unseen   requests that the model server reported and no filter sent (endpoints/unseen.ts), less UNSEEN_NOISE
//   waiting  the model server's queue at the last scrape. `seen` has the filters' own requests in the queue, and these may have
//            left it since. So only unseen requests count here: twice, because they have no first token yet
//   kv       fraction of the KV cache in use, 0...1
//
// signals.ts has the rule for a signal that one of the candidates lacks.
import { seenInFlight } from "../endpoints/in-flight";
import { UNSEEN_NOISE, unseenInFlight } from "../endpoints/unseen";
import { SnapshotView } from "../snapshot/view";
import { Candidates } from "./candidates";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";
import { kvOf, runningOf, waitingOf } from "./signals";

/** A full KV cache weighs as much as this many requests. */
const KV_REQUESTS: f64 = 4;

/** Gives every candidate its cost. */
export function loadCosts(candidates: Candidates, profile: Profile, input: PickInput): void {
  const view = candidates.view;
  const count = candidates.count;
  let queues = true;
  let caches = true;
  let worstQueue: f64 = 0;
  let worstKv: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const endpoint = candidates.endpoint(i);
    const queue = queueCost(view, endpoint, profile, input);
    const kv = kvOf(view, endpoint, profile, input);
    if (queue < 0) queues = profile.penalise;
    if (kv < 0) caches = profile.penalise;
    // Without `penalise` both signals are now dropped for all candidates, so the search can end.
    if (!queues && !caches) break;
    worstQueue = max(worstQueue, queue);
    worstKv = max(worstKv, kv);
  }
  for (let i: u32 = 0; i < count; i++) {
    const endpoint = candidates.endpoint(i);
    let sum = <f64>seenInFlight(endpoint);
    if (queues) {
      const queue = queueCost(view, endpoint, profile, input);
      sum += queue < 0 ? worstQueue : queue;
    }
    if (caches) {
      const kv = kvOf(view, endpoint, profile, input);
      sum += KV_REQUESTS * (kv < 0 ? worstKv : kv);
    }
    candidates.setCost(i, sum);
  }
}

/** The term queue(p), in requests; -1: not known. */
function queueCost(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const waiting = waitingOf(view, endpoint, profile, input);
  if (waiting < 0 || runningOf(view, endpoint, profile, input) < 0) return -1;
  const unseen = max<f64>(<f64>unseenInFlight(endpoint) - UNSEEN_NOISE, 0);
  return unseen + min(waiting, unseen);
}
