// How full a pool is, as the endpoint picker of the Gateway API Inference Extension defines it:
//
//   saturation = mean over the pool's endpoints of s(p)          1 when it has none
//   s(p)       = max(queue(p) / queueDepthThreshold, kv(p) / kvCacheUtilThreshold)
//              = 1 when p's signals are unknown, or older than metricsStalenessThreshold, or when p is ejected (endpoints/health.ts)
//
// At 1 and above there is no room. An ejected endpoint may well answer scrapes, and looks idle because nothing is sent there: it
// has no room for anybody. So at 1 the others are full, however many are out. With more than half of them out picks do not
// heed ejections, and neither does this.
//
// Where the endpoint picker takes the queue as scraped, two corrections for what this Envoy
// sent since (since.ts, more(p)) keep a burst from being judged by old numbers:
//
//   to shed    queue(p) = waiting(p) + more(p) where something waits: the batch is full, so what came waits as well and what
//              ended made room. Where nothing waits the batch has room, nobody knows how much: 0, as the endpoint picker has it
//   to let go  queue(p) = waiting(p) + more(p) always: what has been let go and not been scraped yet is taken to wait, so
//              that between two scrapes no endpoint gets more than its threshold of those that were held back
import { UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { endpointPool } from "../snapshot/objects";
import { SnapshotView } from "../snapshot/view";
import { moreThanScraped } from "./since";

@unmanaged
export class Limits {
  queueDepth: f32 = 0;
  kvUsage: f32 = 0;
  /** Milliseconds. */
  stale: u32 = 0;
}

export function newLimits(): Limits {
  const limits = changetype<Limits>(heap.alloc(offsetof<Limits>()));
  limits.queueDepth = 5;
  limits.kvUsage = 0.8;
  limits.stale = 2000;
  return limits;
}

/** Results of the last measure(). */
export let toShed: f32 = 1;
export let toLetGo: f32 = 1;
export let usableEndpoints: u32 = 0;

let sumToShed: f32 = 0;
let sumToLetGo: f32 = 0;
/** The same of ejected endpoints alone, as if they were not. */
let outToShed: f32 = 0;
let outToLetGo: f32 = 0;
let outEndpoints: u32 = 0;

/**
 * Looks at the endpoints of a pool (`place`: its index + 1), or for place 0 at those of a model. `age`: of the snapshot, ms;
 * `now`: ns.
 */
export function measure(view: SnapshotView, place: u32, model: u32, limits: Limits, age: u64, now: u64): void {
  usableEndpoints = 0;
  sumToShed = 0;
  sumToLetGo = 0;
  outToShed = 0;
  outToLetGo = 0;
  outEndpoints = 0;
  const trouble = anyTrouble(now);
  if (place > 0) {
    for (let i: u32 = 0; i < view.endpointCount; i++)
      if (endpointPool(view, i) == place) add(view, i, limits, age, trouble, now);
  } else {
    const first = view.modelFirst(model);
    const end = first + view.modelEndpoints(model);
    for (let link = first; link < end; link++) add(view, view.linkEndpoint(link), limits, age, trouble, now);
  }
  const heeded = outEndpoints * 2 <= usableEndpoints;
  sumToShed += heeded ? <f32>outEndpoints : outToShed;
  sumToLetGo += heeded ? <f32>outEndpoints : outToLetGo;
  toShed = usableEndpoints == 0 ? 1 : sumToShed / <f32>usableEndpoints;
  toLetGo = usableEndpoints == 0 ? 1 : sumToLetGo / <f32>usableEndpoints;
}

function add(view: SnapshotView, endpoint: u32, limits: Limits, age: u64, trouble: bool, now: u64): void {
  if (!view.usable(endpoint)) return;
  usableEndpoints++;
  look(view, endpoint, limits, age);
  if (trouble && isEjected(entryOf(endpoint), now)) {
    outEndpoints++;
    outToShed += lookedToShed;
    outToLetGo += lookedToLetGo;
  } else {
    sumToShed += lookedToShed;
    sumToLetGo += lookedToLetGo;
  }
}

/** Results of look(). */
let lookedToShed: f32 = 1;
let lookedToLetGo: f32 = 1;

/** s(p), both ways. */
function look(view: SnapshotView, endpoint: u32, limits: Limits, age: u64): void {
  lookedToShed = 1;
  lookedToLetGo = 1;
  const scraped = view.scrapeAge(endpoint);
  const waiting = view.waiting(endpoint);
  const kv = view.kvUsage(endpoint);
  const knowsKv = kv == kv;
  if (scraped == UNKNOWN || <u64>scraped + age > <u64>limits.stale || (waiting == UNKNOWN && !knowsKv)) return;
  const cache: f32 = knowsKv ? kv / limits.kvUsage : 0;
  const queue: f32 = waiting == UNKNOWN ? 0 : max<f32>(<f32>waiting + <f32>moreThanScraped(endpoint), 0);
  lookedToShed = max<f32>(waiting > 0 ? queue / limits.queueDepth : 0, cache);
  lookedToLetGo = max<f32>(queue / limits.queueDepth, cache);
}

/** Requests that fit until it is saturated; below 0, as many as are too many. After measure(). */
export function roomLeft(limits: Limits): f32 {
  // A hair less, so that what is exact but for rounding is not one more.
  return <f32>Math.ceil((1 - toLetGo) * limits.queueDepth * <f32>usableEndpoints - 0.001);
}
