// What a worker does between requests: it takes over a new snapshot, exchanges counts and tidies up. A worker ticks every 20 ms
// while it has requests. A worker becomes idle when it has no open stream and had at most FEW requests since its last tick. It
// then publishes what the other workers do not know yet, and ticks only every 200 ms. The next request makes up for the tick that
// is due. Waking a thread costs more than the tick's work does. So where requests are few and short, only requests wake a worker.
import { sampleCounts } from "../admission/since";
import { ROLE_HOLDER } from "../config/config";
import { refreshPrompts } from "../endpoints/cache/running-prompts";
import { endpointCount } from "../endpoints/entries";
import { followLocal, totalInFlight } from "../endpoints/in-flight";
import { forgetSilent, remoteTotal } from "../endpoints/remote";
import { countTick, readClock, tickTime } from "../host/tick-time";
import { ageMilliseconds, hasSnapshot } from "../snapshot/current";
import { ENDPOINTS, IN_FLIGHT, IN_FLIGHT_ELSEWHERE, record, SNAPSHOT_AGE } from "../stats";
import { exchangeCounts, publishCounts } from "../workers/counts";
import { receiveEjections } from "../workers/ejections";
import { exchangeNews } from "../workers/prefix-news";
import { publishSums } from "../workers/published-sums";
import { exchangeSpeeds } from "../workers/shared-speed";
import { readSummary } from "../workers/summary";
import { followNewScrapes, followSnapshot, followTraffic } from "./follow";
import { tendWaiting } from "./request/resume";
import { answerPolls, heldPolls, lookForNews, pollPeriod } from "./reserved/polls";
import { verifySettled } from "./response/served";
import { BUSY_TICK_MILLISECONDS, collectGarbage, IDLE_TICK_MILLISECONDS, Root, tickEvery } from "./root";
import { releaseStuck } from "./setup/no-bodies";
import { openStreams } from "./streams";

/** A worker that had more requests than this since its last tick does not become idle, because each request would wake it again. */
const FEW: u32 = 2;
/** Period of a busy worker's ticks, ns. */
const BUSY_TICK: u64 = <u64>BUSY_TICK_MILLISECONDS * 1000000;
/** Time between two updates of the gauges, ns. */
const GAUGES_EVERY: u64 = 200000000;

/** When the last tick began, ns. */
let tickedAt: u64 = 0;
/** Requests since the last tick. */
let requests: u32 = 0;
/** A new worker counts as idle, so its first request ticks. Otherwise requests before the first tick would find no snapshot. */
let idle: bool = true;

/** When the gauges were last updated, ns, and the values that two of them got. */
let recordedAt: u64 = 0;
let recordedInFlight: i32 = -1;
let recordedElsewhere: u64 = 0;

/** Call at a request's headers. A holder does nothing, because its reader got the same request first. */
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

/** Call when a request has ended and its stream is closed. `root` is the root of that stream. */
export function idleIfDone(root: Root): void {
  if (idle || !hasLittleToDo()) return;
  idle = true;
  tickEvery(root, period(tickTime()));
  publishCounts(tickTime());
  exchangeNews(tickTime());
  recordInFlight();
}

/**
 * Call when a root's timer fired. Each root of a VM has a timer, and a worker with a poll looks for news between two ticks. So this
 * skips a tick that comes within three quarters of a period of the last.
 */
export function timerFired(root: Root): void {
  const now = readClock();
  if (isOlder(tickedAt, now, (BUSY_TICK / 4) * 3)) {
    idle = hasLittleToDo();
    tick(now);
    tickEvery(root, period(now));
    // Not in tick(): at a request's headers host calls must stay about that request. And last, because host calls are then about a
    // poll's stream, which may belong to another root.
    answerPolls(now);
    return;
  }
  tickEvery(root, period(now));
  if (pollPeriod(now) > 0) lookForNews(now);
}

/** Milliseconds until the next tick, or the next look for news. */
function period(now: u64): u32 {
  const watch = pollPeriod(now);
  if (watch > 0) return watch;
  return idle ? IDLE_TICK_MILLISECONDS : BUSY_TICK_MILLISECONDS;
}

function hasLittleToDo(): bool {
  return openStreams() == heldPolls() && requests <= FEW;
}

/** Returns whether `then` is at least `nanoseconds` before `now`. Also true when the clock was set back. */
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
  followTraffic();
  forgetSilent(now);
  verifySettled();
  refreshPrompts();
  exchangeCounts(now);
  exchangeNews(now);
  exchangeSpeeds(now);
  followLocal(now);
  followNewScrapes();
  publishSums(now);
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
