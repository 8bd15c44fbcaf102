// What a worker does between requests: take over a new snapshot, exchange counts, tidy up. Every 20 ms while there are
// requests; a worker that has had none for half a second looks up every 200 ms only, and catches up when one comes.

import { sampleCounts } from "../admission/since";
import { setTickPeriod } from "../host/calls";
import { endpointCount } from "../pick/entries";
import { totalInFlight } from "../pick/inflight";
import { refreshPrompts } from "../pick/lasting";
import { elsewhereTotal, forgetRemote, REMOTE_SILENT } from "../pick/remote";
import { ageMilliseconds, hasSnapshot } from "../snapshot/current";
import { ENDPOINTS, IN_FLIGHT, IN_FLIGHT_ELSEWHERE, record, SNAPSHOT_AGE } from "../stats";
import { BUSY_TICK_MILLISECONDS, readClock } from "./clock";
import { exchange } from "./exchange";
import { tendHeld } from "./held";
import { hearEjections } from "./pods";
import { collectGarbage } from "./root";
import { lookAtLasting } from "./served";
import { followSnapshot } from "./snapshots";
import { openStreams } from "./streams";
import { releaseStuck } from "./stuck";

/** A VM with several roots is ticked by each of them: half a period apart is one too many. */
const SAME_TICK: u64 = 10000000;

let tickedAt: u64 = 0;
let recordedInFlight: i32 = -1;
let recordedElsewhere: u64 = 0;

const IDLE_TICK_MILLISECONDS: u32 = 200;
const IDLE_TICKS: u32 = 25;

let idleTicks: u32 = 0;
let asleep: bool = false;

/** A request has come. */
export function wakeUp(): void {
  idleTicks = 0;
  if (!asleep) return;
  asleep = false;
  setTickPeriod(BUSY_TICK_MILLISECONDS);
  tick();
}

function fallAsleep(): void {
  if (openStreams() > 0 || ++idleTicks < IDLE_TICKS || asleep) return;
  asleep = true;
  setTickPeriod(IDLE_TICK_MILLISECONDS);
}

export function tick(): void {
  const now = readClock();
  if (now > tickedAt && now - tickedAt < SAME_TICK) return;
  tickedAt = now;
  fallAsleep();
  collectGarbage();
  followSnapshot();
  if (ageMilliseconds(now) > REMOTE_SILENT) forgetRemote();
  lookAtLasting();
  refreshPrompts();
  exchange(now);
  hearEjections();
  sampleCounts(now);
  tendHeld(now);
  releaseStuck();
  const total = totalInFlight();
  if (total != recordedInFlight) {
    recordedInFlight = total;
    record(IN_FLIGHT, total > 0 ? total : 0);
  }
  if (!hasSnapshot()) return;
  record(SNAPSHOT_AGE, ageMilliseconds(now));
  record(ENDPOINTS, endpointCount());
  if (elsewhereTotal() == recordedElsewhere) return;
  recordedElsewhere = elsewhereTotal();
  record(IN_FLIGHT_ELSEWHERE, recordedElsewhere);
}
