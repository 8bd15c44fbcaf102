// Signals: what is known of an endpoint's load, and whether a pick may use it. If a candidate lacks a signal:
//   without penalise    the signal is dropped for all candidates, so that only numbers of one kind are compared
//   with penalise       the candidate counts as the worst of the others
import { UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import { SnapshotView } from "../snapshot/view";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";

/** Whether a pick may use the endpoint's last scrape. Only a profile that penalises old signals refuses a scrape, for its age. */
function isFresh(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): bool {
  if (!profile.penalise) return true;
  const age = view.scrapeAge(endpoint);
  return age != UNKNOWN && <u64>age + input.snapshotAge <= <u64>profile.staleAfter;
}

/** Whether the endpoint's load report (endpoints/load-reports.ts) is newer than its last scrape. Ages are compared, not instants. */
function reportIsNewer(view: SnapshotView, endpoint: u32, entry: Entry, profile: Profile, input: PickInput): bool {
  if (!profile.reports || entry.report.at == 0) return false;
  const age = input.now > entry.report.at ? (input.now - entry.report.at) / 1000000 : 0;
  if (age > <u64>profile.staleAfter) return false;
  const scraped = view.scrapeAge(endpoint);
  return scraped == UNKNOWN || age < <u64>scraped + input.snapshotAge;
}

/** Whether the endpoint's server reports all its requests, so that its unseen requests are known (endpoints/in-flight.ts). */
export function reportsRequests(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): bool {
  if (view.waiting(endpoint) == UNKNOWN || view.running(endpoint) == UNKNOWN) return false;
  return view.scrapeAge(endpoint) != UNKNOWN && isFresh(view, endpoint, profile, input);
}

/** Requests that wait in the endpoint's queue; -1: not known. */
export function waitingOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const entry = entryOf(endpoint);
  if (reportIsNewer(view, endpoint, entry, profile, input)) return entry.report.waiting;
  const waiting = view.waiting(endpoint);
  return waiting == UNKNOWN || !isFresh(view, endpoint, profile, input) ? -1 : <f64>waiting;
}

/** Requests that run on the endpoint; -1: not known. */
export function runningOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const running = view.running(endpoint);
  return running == UNKNOWN || !isFresh(view, endpoint, profile, input) ? -1 : <f64>running;
}

/** Fraction of the KV cache in use, 0...1; -1: not known. */
export function kvOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput): f64 {
  const entry = entryOf(endpoint);
  if (entry.report.kv >= 0 && reportIsNewer(view, endpoint, entry, profile, input)) return entry.report.kv;
  const kv = view.kvUsage(endpoint);
  return kv != kv || !isFresh(view, endpoint, profile, input) ? -1 : <f64>kv;
}
