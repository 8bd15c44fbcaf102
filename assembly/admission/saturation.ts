// How full a pool is, as the endpoint picker of the Gateway API Inference Extension defines it:
//
//   saturation = mean of s(p) over the pool's endpoints p; 1 when the pool has no endpoint
//   s(p)       = max(queue(p) / queueDepthThreshold, kv(p) / kvCacheUtilThreshold)
//              = 1 when p is ejected (endpoints/health.ts), or p's signals are unknown or older than metricsStalenessThreshold
//
// A pool with a saturation of 1 or more has no room. An ejected endpoint counts as full: it may answer scrapes, and it looks
// idle because nothing is sent to it, but it has no room. So at 1 the endpoints in service are full, however many are ejected.
// When more than half of the endpoints are ejected, picks ignore ejections, and so does this measure.
//
// The endpoint picker uses the queue as scraped. The filter corrects the queue by more(p), the requests that this Envoy sent
// since the scrape (since.ts). So a burst is not judged by old numbers. The correction differs by its use:
//
//   toShed     queue(p) = waiting(p) + more(p) if requests waited at the scrape: the batch was full, so new requests wait too,
//              and requests that ended made room. queue(p) = 0 if no request waited: the batch had room, and nobody knows how
//              much. The endpoint picker uses 0 too
//   toLetGo    queue(p) = waiting(p) + more(p) always: a request that was let go after the scrape counts as waiting. So
//              between two scrapes no endpoint gets more waiting requests of this filter than its threshold
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS, UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { endpointPool } from "../snapshot/objects";
import { SnapshotView } from "../snapshot/view";
import { moreThanScraped } from "./since";

/** The load with which an endpoint counts as full (`admission.saturation`). */
@unmanaged
export class Limits {
  /** Requests in the endpoint's queue. */
  queueDepth: f32 = 0;
  /** Fraction of the KV cache in use. */
  kvUsage: f32 = 0;
  /** Milliseconds after which an endpoint's signals are too old to use. */
  stale: u32 = 0;
}

export function newLimits(): Limits {
  const limits = changetype<Limits>(heap.alloc(offsetof<Limits>()));
  limits.queueDepth = <f32>FULL_WAITING_REQUESTS;
  limits.kvUsage = FULL_KV_USAGE;
  limits.stale = 2000;
  return limits;
}

/** The result of measure(). */
@unmanaged
export class Saturation {
  toShed: f32 = 0;
  toLetGo: f32 = 0;
  /** Number of usable endpoints; ejected endpoints are included. */
  endpoints: u32 = 0;
}

/** Sums of s(p), with the queue of toShed and with the queue of toLetGo. */
@unmanaged
class Sums {
  toShed: f32 = 0;
  toLetGo: f32 = 0;
}

const measured = changetype<Saturation>(memory.data(offsetof<Saturation>(), 4));
/** `inService` sums s(p) over endpoints that are not ejected. `ejected` sums s(p) over ejected endpoints, as if in service. */
const inService = changetype<Sums>(memory.data(offsetof<Sums>(), 4));
const ejected = changetype<Sums>(memory.data(offsetof<Sums>(), 4));

/**
 * Measures the endpoints of a pool (`pool`: the pool's index + 1), or the endpoints of `model` if `pool` is 0. `age`: the
 * snapshot's age, ms; `now`: ns. The record is valid until the next call.
 */
export function measure(view: SnapshotView, pool: u32, model: u32, limits: Limits, age: u64, now: u64): Saturation {
  inService.toShed = 0;
  inService.toLetGo = 0;
  ejected.toShed = 0;
  ejected.toLetGo = 0;
  let usable: u32 = 0;
  let out: u32 = 0;
  const trouble = anyTrouble(now);
  const first = pool > 0 ? 0 : view.modelFirst(model);
  const count = pool > 0 ? view.endpointCount : view.modelEndpoints(model);
  for (let i: u32 = 0; i < count; i++) {
    const endpoint = pool > 0 ? i : view.linkEndpoint(first + i);
    if ((pool > 0 && endpointPool(view, endpoint) != pool) || !view.usable(endpoint)) continue;
    usable++;
    const isOut = trouble && isEjected(entryOf(endpoint), now);
    if (isOut) out++;
    add(isOut ? ejected : inService, view, endpoint, limits, age);
  }
  const heeded = out * 2 <= usable;
  const toShed = inService.toShed + (heeded ? <f32>out : ejected.toShed);
  const toLetGo = inService.toLetGo + (heeded ? <f32>out : ejected.toLetGo);
  measured.endpoints = usable;
  measured.toShed = usable == 0 ? 1 : toShed / <f32>usable;
  measured.toLetGo = usable == 0 ? 1 : toLetGo / <f32>usable;
  return measured;
}

/** Adds an endpoint's s(p) to both sums. */
function add(sums: Sums, view: SnapshotView, endpoint: u32, limits: Limits, age: u64): void {
  const scraped = view.scrapeAge(endpoint);
  const waiting = view.waiting(endpoint);
  const kv = view.kvUsage(endpoint);
  const knowsKv = kv == kv;
  if (scraped == UNKNOWN || <u64>scraped + age > <u64>limits.stale || (waiting == UNKNOWN && !knowsKv)) {
    sums.toShed += 1;
    sums.toLetGo += 1;
    return;
  }
  const cache: f32 = knowsKv ? kv / limits.kvUsage : 0;
  const queue: f32 = waiting == UNKNOWN ? 0 : max<f32>(<f32>waiting + <f32>moreThanScraped(endpoint), 0);
  sums.toShed += max<f32>(waiting > 0 ? queue / limits.queueDepth : 0, cache);
  sums.toLetGo += max<f32>(queue / limits.queueDepth, cache);
}

/** Number of requests that fit until saturation is 1; below 0: minus the number of requests above that. */
export function roomLeft(saturation: Saturation, limits: Limits): f32 {
  // The 0.001 keeps ceil() from rounding up a whole number with a rounding error.
  return <f32>Math.ceil((1 - saturation.toLetGo) * limits.queueDepth * <f32>saturation.endpoints - 0.001);
}
