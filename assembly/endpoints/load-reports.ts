// What an endpoint itself said of its load with an answer (filter/response/load-report.ts). It counts while it is newer than the last
// scrape of the endpoint; both are compared by their ages here, so no clock of another machine comes into it.
import { UNKNOWN } from "../../protocol/constants";
import { PickInput } from "../pick/pick-input";
import { Profile } from "../pick/profile";
import { SnapshotView } from "../snapshot/view";
import { Entry } from "./entries";

/** -1 for what was not said. */
export function takeLoadReport(entry: Entry, waiting: f64, kv: f64, now: u64): void {
  entry.reportedWaiting = <f32>waiting;
  entry.reportedKv = <f32>kv;
  entry.reportedAt = now;
}

export function reportIsNewer(
  view: SnapshotView,
  endpoint: u32,
  entry: Entry,
  profile: Profile,
  input: PickInput,
): bool {
  if (!profile.reports || entry.reportedAt == 0) return false;
  const age = input.now > entry.reportedAt ? (input.now - entry.reportedAt) / 1000000 : 0;
  if (age > <u64>profile.staleAfter) return false;
  const scraped = view.scrapeAge(endpoint);
  return scraped == UNKNOWN || age < <u64>scraped + input.snapshotAge;
}
