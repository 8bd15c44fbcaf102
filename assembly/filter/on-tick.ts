// What a worker does between requests: take over a new snapshot, exchange counts, tidy up. It ticks every 20 ms while it has
// requests. A worker that has none, and had few, is idle: it publishes what the others do not know yet, and ticks every 200 ms
// only. The next request begins with what the ticks left out. So where requests are few and short, only they wake a worker: to
// be woken costs more than a tick does.
import { sampleCounts } from "../admission/since";
import { ROLE_HOLDER } from "../config/config";
import { refreshPrompts } from "../endpoints/cache/running-prompts";
import { endpointCount } from "../endpoints/entries";
import { totalInFlight } from "../endpoints/in-flight";
import { forgetRemote, REMOTE_SILENT, remoteTotal } from "../endpoints/remote";
import { countTick, readClock, tickTime } from "../host/tick-time";
import { ageMilliseconds, hasSnapshot } from "../snapshot/current";
import { ENDPOINTS, IN_FLIGHT, IN_FLIGHT_ELSEWHERE, record, SNAPSHOT_AGE } from "../stats";
import { exchangeCounts, publishCounts } from "../workers/counts";
import { receiveEjections } from "../workers/ejections";
import { readSummary } from "../workers/summary";
import { followSnapshot } from "./follow";
import { tendWaiting } from "./request/resume";
import { verifySettled } from "./response/served";
import { BUSY_TICK_MILLISECONDS, collectGarbage, Root, tickEvery } from "./root";
import { releaseStuck } from "./setup/no-bodies";
import { openStreams } from "./streams";

const IDLE_TICK_MILLISECONDS: u32 = 200;
/** A worker that had more requests than these since its last tick does not become idle: each request would have to wake it. */
const FEW: u32 = 2;
/** Nanoseconds. */
const BUSY_TICK: u64 = <u64>BUSY_TICK_MILLISECONDS * 1000000;
const GAUGES_EVERY: u64 = 200000000;

let tickedAt: u64 = 0;
/** Since the last tick. */
let requests: u32 = 0;
let idle: bool = false;

let recordedAt: u64 = 0;
let recordedInFlight: i32 = -1;
let recordedElsewhere: u64 = 0;

/** A request has come. A holder's request came to its reader before. */
export function wakeUp(root: Root): void {
  if (root.config.role == ROLE_HOLDER) return;
  if (idle) {
    idle = false;
    tickEvery(root, BUSY_TICK_MILLISECONDS);
    const now = readClock();
    if (isOlder(tickedAt, now, BUSY_TICK)) tick(now);
  }
  requests++;
}

/** A request has ended, and its stream is closed. Host calls are about its root, unless another request was let go. */
export function idleIfDone(root: Root): void {
  if (idle || !hasLittleToDo()) return;
  idle = true;
  tickEvery(root, IDLE_TICK_MILLISECONDS);
  publishCounts(tickTime());
  recordInFlight();
}

/** A root's timer fired. Each root of a VM has a timer; a tick half a period after another root's is one too many. */
export function timerFired(root: Root): void {
  const now = readClock();
  if (isOlder(tickedAt, now, BUSY_TICK / 2)) {
    idle = hasLittleToDo();
    tick(now);
  }
  tickEvery(root, idle ? IDLE_TICK_MILLISECONDS : BUSY_TICK_MILLISECONDS);
}

function hasLittleToDo(): bool {
  return openStreams() == 0 && requests <= FEW;
}

/** Also where the clock was set back. */
function isOlder(then: u64, now: u64, nanoseconds: u64): bool {
  return now < then || now - then >= nanoseconds;
}

function tick(now: u64): void {
  tickedAt = now;
  requests = 0;
  countTick();
  collectGarbage();
  readSummary();
  followSnapshot();
  if (ageMilliseconds(now) > REMOTE_SILENT) forgetRemote();
  verifySettled();
  refreshPrompts();
  exchangeCounts(now);
  receiveEjections();
  sampleCounts(now);
  tendWaiting(now);
  releaseStuck();
  recordInFlight();
  recordGauges(now);
}

function recordInFlight(): void {
  const total = totalInFlight();
  if (total == recordedInFlight) return;
  recordedInFlight = total;
  record(IN_FLIGHT, total > 0 ? total : 0);
}

function recordGauges(now: u64): void {
  if (!hasSnapshot() || !isOlder(recordedAt, now, GAUGES_EVERY)) return;
  recordedAt = now;
  record(SNAPSHOT_AGE, ageMilliseconds(now));
  record(ENDPOINTS, endpointCount());
  if (remoteTotal() == recordedElsewhere) return;
  recordedElsewhere = remoteTotal();
  record(IN_FLIGHT_ELSEWHERE, recordedElsewhere);
}
