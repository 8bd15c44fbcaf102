// How full a pool is, as the endpoint picker of the Gateway API Inference Extension defines it:
//
//   saturation = mean over the pool's endpoints of s(p)          1 when it has none
//   s(p)       = max(queue(p) / queueDepthThreshold, kv(p) / kvCacheUtilThreshold)
//              = 1 when p's signals are unknown, or older than metricsStalenessThreshold, or when p is ejected (endpoints/health.ts)
//
// At 1 and above there is no room. An ejected endpoint may well answer scrapes, and looks idle because nothing is sent there:
// it has no room for anybody. So at 1 the other endpoints are full, however many are ejected. When more than half of the
// endpoints are ejected, picks ignore ejections, and so does this measure.
//
// The endpoint picker takes the queue as scraped. Two corrections for what this Envoy sent since the scrape (since.ts, more(p))
// keep a burst from being judged by old numbers:
//
//   to shed    queue(p) = waiting(p) + more(p) where requests wait: the batch is full, so new requests wait as well and ended
//              ones made room. Where no request waits the batch has room, nobody knows how much: 0, as in the endpoint picker
//   to let go  queue(p) = waiting(p) + more(p) always: what was let go and is not scraped yet counts as waiting. So between two
//              scrapes no endpoint gets more than its threshold of the requests that were held back
import { FULL_KV_USAGE, FULL_WAITING_REQUESTS, UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { endpointPool } from "../snapshot/objects";
import { SnapshotView } from "../snapshot/view";
import { moreThanScraped } from "./since";

/** With which load an endpoint is full (`admission.saturation`). */
@unmanaged
export class Limits {
  /** Waiting requests. */
  queueDepth: f32 = 0;
  /** Fraction of the KV cache in use. */
  kvUsage: f32 = 0;
  /** Milliseconds after which signals are old. */
  stale: u32 = 0;
}

export function newLimits(): Limits {
  const limits = changetype<Limits>(heap.alloc(offsetof<Limits>()));
  limits.queueDepth = <f32>FULL_WAITING_REQUESTS;
  limits.kvUsage = FULL_KV_USAGE;
  limits.stale = 2000;
  return limits;
}

/** What measure() found. */
@unmanaged
export class Saturation {
  toShed: f32 = 0;
  toLetGo: f32 = 0;
  /** Usable endpoints, ejected ones among them. */
  endpoints: u32 = 0;
}

/** Sums of s(p), both ways. */
@unmanaged
class Sums {
  toShed: f32 = 0;
  toLetGo: f32 = 0;
}

const measured = changetype<Saturation>(memory.data(offsetof<Saturation>(), 4));
/** Of endpoints that are not ejected, and of ejected ones as if they were not. */
const inService = changetype<Sums>(memory.data(offsetof<Sums>(), 4));
const ejected = changetype<Sums>(memory.data(offsetof<Sums>(), 4));

/**
 * Looks at the endpoints of a pool (`pool`: its index + 1), or for pool 0 at those of a model. `age`: of the snapshot, ms;
 * `now`: ns. The record is valid until the next call.
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

/** Adds an endpoint's s(p). */
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

/** Requests that fit until there is no room; below 0: as many as are too many. */
export function roomLeft(saturation: Saturation, limits: Limits): f32 {
  // A hair less, so that a value that is whole but for rounding does not become one more.
  return <f32>Math.ceil((1 - saturation.toLetGo) * limits.queueDepth * <f32>saturation.endpoints - 0.001);
}
