// What a worker does between requests, every 20 ms: take over a new snapshot, exchange counts, tidy up.
import { endpointCount } from "../pick/entries";
import { totalInFlight } from "../pick/inflight";
import { ageMilliseconds, hasSnapshot } from "../snapshot/current";
import { ENDPOINTS, IN_FLIGHT, record, SNAPSHOT_AGE } from "../stats";
import { readClock } from "./clock";
import { exchange } from "./exchange";
import { collectGarbage } from "./root";
import { followSnapshot } from "./snapshots";
import { releaseStuck } from "./stuck";

/** A VM with several roots is ticked by each of them: half a period apart is one too many. */
const SAME_TICK: u64 = 10000000;

let tickedAt: u64 = 0;
let recordedInFlight: i32 = -1;

export function tick(): void {
  const now = readClock();
  if (now > tickedAt && now - tickedAt < SAME_TICK) return;
  tickedAt = now;
  collectGarbage();
  followSnapshot();
  exchange(now);
  releaseStuck();
  const total = totalInFlight();
  if (total != recordedInFlight) {
    recordedInFlight = total;
    record(IN_FLIGHT, total > 0 ? total : 0);
  }
  if (!hasSnapshot()) return;
  record(SNAPSHOT_AGE, ageMilliseconds(now));
  record(ENDPOINTS, endpointCount());
}
