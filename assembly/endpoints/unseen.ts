// Unseen requests: requests that a model server reports and that no filter sent. Entry.unseen (entry.ts) has the estimate.
//
//   excess   = waiting + running in a scrape - the most requests that were known since before the scrape, at least 0
//   estimate = average of the excess over 2 s. When the last two scrapes have more than it, it is the lower of these two at once
//
// The most, and not the requests of now: a request of ours that ended between the scrape and its arrival is in the scrape. And two
// scrapes, because a request of another worker or Envoy may be in a scrape before this worker receives its count; the next scrape
// comes after that count. So load that others cause is believed with the second scrape, and our own requests are no such load.
//
// Foreign gateways are gateways that use the same endpoints and do not report to this Envoy's sidecars. The prefix index knows nothing
// of the prompts that they send. The share of unseen requests among all requests shows such gateways. This share is an average over SHARE_MILLISECONDS, so requests that an Envoy left behind when it
// restarted count little. A share below LEAST_SHARE counts as none.
import { UNKNOWN } from "../../protocol/constants";
import { SnapshotView } from "../snapshot/view";
import { endpointCount, entryOf } from "./entries";
import { Entry } from "./entry";

/** Span of the average. */
const AVERAGE_MILLISECONDS: u64 = 2000;
/** The estimate may be wrong by this much. A smaller difference is followed by the average only. */
export const UNSEEN_NOISE: f32 = 1;
/** An estimate below this is none, so that endpoints without load are equal. An average never gets to 0. */
const NONE_LEFT: f32 = 0.25;
/** Limit of the estimate. */
const MAX_UNSEEN: i64 = 1 << 24;

/** Span of the average of the share. */
const SHARE_MILLISECONDS: f32 = 30000;
/** Shares from which on other gateways count, and from which on they count in full. */
const LEAST_SHARE: f32 = 0.2;
const FULL_SHARE: f32 = 0.4;

/** Share of the unseen requests, and when it was last averaged, ms since the epoch. */
let share: f32 = 0;
let sharedAt: u64 = 0;

/** Version of the snapshot whose scrapes were looked at last. */
let scrapedVersion: u64 = 0;

/** Unseen requests on an endpoint. */
export function unseenInFlight(endpoint: u32): f32 {
  return estimateOf(entryOf(endpoint));
}

/** Unseen requests on an endpoint. */
export function estimateOf(entry: Entry): f32 {
  const average = entry.unseen.average;
  return average < NONE_LEFT ? 0 : average;
}

/** Weight of foreign gateways in picks, 0 to 1: 1 if they send FULL_SHARE of the requests or more. */
export function unseenWeight(): f32 {
  return min<f32>(1, max<f32>(0, (share - LEAST_SHARE) / (FULL_SHARE - LEAST_SHARE)));
}

/** Averages the share. `unseen`, `all`: requests on all endpoints that report theirs. `at`: ms since the epoch. */
function averageShare(unseen: f32, all: f32, at: u64): void {
  // The first scrape shows what an earlier process left behind.
  const later = sharedAt != 0 && at > sharedAt;
  const passed = later ? <f32>min<u64>(at - sharedAt, <u64>SHARE_MILLISECONDS) : 0;
  sharedAt = at;
  if (all > 0) share += (passed / SHARE_MILLISECONDS) * (unseen / all - share);
}

/** Call when more requests on the endpoint are known than before. */
export function knownRose(entry: Entry): void {
  entry.unseen.most = max(entry.unseen.most, known(entry));
}

/** Requests of all workers and Envoys that are known. */
function known(entry: Entry): i32 {
  return entry.inFlight.own + entry.otherWorkers.requests + entry.remote.requests;
}

/**
 * Updates the estimate of each endpoint of which this snapshot has a newer scrape than the last one had. Call when the other workers'
 * counts were received (in-flight.ts).
 */
export function followScrapes(view: SnapshotView): void {
  const producedAt = view.version / 1000;
  // A lower version than the last is accepted only if the last snapshot was stale: its producer's clock may have been ahead.
  const restarted = view.version < scrapedVersion;
  scrapedVersion = view.version;
  let unseen: f32 = 0;
  let all: f32 = 0;
  for (let i: u32 = 0; i < endpointCount(); i++) {
    const waiting = view.waiting(i);
    const running = view.running(i);
    const age = view.scrapeAge(i);
    const entry = entryOf(i);
    const part = entry.unseen;
    if (age == UNKNOWN || waiting == UNKNOWN || running == UNKNOWN) {
      part.average = 0;
      part.excess = 0;
      continue;
    }
    const scrapedAt = producedAt > age ? producedAt - age : 0;
    if (scrapedAt > part.scrapedAt || restarted) {
      const since = scrapedAt > part.scrapedAt ? scrapedAt - part.scrapedAt : AVERAGE_MILLISECONDS;
      part.scrapedAt = scrapedAt;
      learn(entry, <i64>waiting + running, <f32>min<u64>(since, AVERAGE_MILLISECONDS) / <f32>AVERAGE_MILLISECONDS);
    }
    // Endpoints without a new scrape count in the share too: a sidecar scrapes them at unequal paces.
    unseen += estimateOf(entry);
    all += estimateOf(entry) + <f32>max(known(entry), 0);
  }
  averageShare(unseen, all, producedAt);
}

/** Learns from a scrape with `reported` requests. `weight`: share of the scrape in the average. */
function learn(entry: Entry, reported: i64, weight: f32): void {
  const part = entry.unseen;
  // The scrape was made after the scrape before the last had come, unless a scrape takes more than two intervals to come.
  const most = max(max(part.most, part.mostBefore), known(entry));
  part.mostBefore = part.most;
  part.most = known(entry);
  const excess = <f32>min<i64>(max<i64>(reported - most, 0), MAX_UNSEEN);
  const sure = min(excess, part.excess);
  part.excess = excess;
  part.average += weight * (excess - part.average);
  if (sure > part.average + UNSEEN_NOISE) part.average = sure;
}
