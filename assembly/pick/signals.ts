// What was scraped of an endpoint, and whether it may be used. Two rules for a signal that a candidate lacks:
//   as a rule    it is dropped for all candidates: unlike numbers are never compared
//   penalise     the candidate is taken to be as bad as the worst of the others
import { UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { reportIsNewer } from "../endpoints/load-reports";
import { SnapshotView } from "../snapshot/view";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";

/** False: what was scraped of the endpoint is too old, under a policy that asks for that. */
export function isFresh(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): bool {
  if (!profile.penalise) return true;
  const age = view.scrapeAge(endpoint);
  return age != UNKNOWN && <u64>age + input.snapshotAge <= <u64>profile.staleAfter;
}

/** Whether it told its requests, so that those that nobody here sent are known (endpoints/in-flight.ts). */
export function reportsRequests(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): bool {
  if (view.waiting(endpoint) == UNKNOWN || view.running(endpoint) == UNKNOWN) return false;
  return view.scrapeAge(endpoint) != UNKNOWN && isFresh(view, endpoint, profile, input);
}

/** Requests waiting in its queue; -1 when that is not known. */
export function waitingOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const entry = entryOf(endpoint);
  if (reportIsNewer(view, endpoint, entry, profile, input)) return entry.reportedWaiting;
  const waiting = view.waiting(endpoint);
  return waiting == UNKNOWN || !isFresh(view, endpoint, profile, input) ? -1 : <f64>waiting;
}

/** Requests running; -1 when that is not known. */
export function runningOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const running = view.running(endpoint);
  return running == UNKNOWN || !isFresh(view, endpoint, profile, input) ? -1 : <f64>running;
}

/** Fraction of the KV cache in use; -1 when that is not known. */
export function kvOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const entry = entryOf(endpoint);
  if (entry.reportedKv >= 0 && reportIsNewer(view, endpoint, entry, profile, input)) return entry.reportedKv;
  const kv = view.kvUsage(endpoint);
  return kv != kv || !isFresh(view, endpoint, profile, input) ? -1 : <f64>kv;
}
