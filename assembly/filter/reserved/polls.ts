// Polls: requests for a traffic report that the filter answers when it has news, and otherwise when their time is over. So an idle
// Envoy has about one poll a second, and the sidecar learns the news of a busy Envoy within a tick.
//
// News are counts or prefix updates that the sidecar does not have, another collector (workers/collector-lease.ts), or a worker whose
// prefix index became empty (workers/emptied.ts). For a sidecar that does not collect, counts are no news, and prefix updates
// are news once they fill half of a report. A sidecar that is not the collector also gets the readings of pods that the collector pushed
// (workers/stored-readings.ts). Which worker gets a poll is Envoy's choice. The worker that holds a collector's
// poll, or a poll that wants readings, therefore ticks at the busy pace even when it is idle itself, and faster while there are news (pollPeriod()).
// A worker that holds MAX_POLLS polls, or has no free stream record, answers a poll at once.
import { MAX_ENVOYS, MAX_PREFIX_WORDS, PREFIX_WORD_BYTES } from "../../../protocol/constants";
import { READINGS_QUIET, READINGS_WANTED } from "../../../protocol/readings/readings-constants";
import { newsHash } from "../../endpoints/in-flight";
import { setEffectiveContext } from "../../host/calls";
import { readClock } from "../../host/tick-time";
import { current, hasSnapshot } from "../../snapshot/current";
import { count, REPORTED } from "../../stats";
import { claimLease, collectorAt, endLease } from "../../workers/collector-lease";
import { joinWorkers, receiveCounts } from "../../workers/counts";
import { emptied } from "../../workers/emptied";
import { instanceId } from "../../workers/instance";
import { exchangeNews } from "../../workers/prefix-news";
import { hasReadings, isListened, listenToReadings, readReadingsHead } from "../../workers/stored-readings";
import { readSummary } from "../../workers/summary";
import { followSnapshot, followTraffic } from "../follow";
import { sendBytes } from "../local-reply";
import { IDLE_TICK_MILLISECONDS, Root, tickEvery } from "../root";
import { openStream, PHASE_POLL, PHASE_REPLIED, Stream } from "../streams";
import { endWithReadings, readReadingsAsk } from "./readings";
import {
  makeReport,
  newPrefixes,
  PollAsk,
  ReportAsk,
  readPoll,
  setReportVersion,
  TrafficReport,
} from "./traffic-report";

@unmanaged
class Poll {
  /** What the sidecar has: prefix updates of `ring` up to `position`, counts with the hash `news`, and the collector `known`. */
  ring: u64 = 0;
  position: u64 = 0;
  /** When the filter answers, ns, if there are no news. */
  deadline: u64 = 0;
  /** Record of the stream; 0: no poll is here. */
  stream: usize = 0;
  news: u32 = 0;
  known: u32 = 0;
  /** PollAsk.collector. */
  collector: u32 = 0;
  /** emptied() when the poll began. */
  emptied: u32 = 0;
  /** What it asks about readings: the number that the sidecar has, and ABOUT_READINGS with the flags of the header; 0: nothing. */
  readings: u64 = 0;
  readingsFlags: u32 = 0;
  /** Whether a sidecar wanted readings when the poll began. */
  listened: bool = false;
  /** When the poll began, ns. */
  began: u64 = 0;
}

/** The filter answers a poll after this many ms at the latest. */
const MAX_POLL_MS: u64 = 5000;
/** Most polls that a worker holds. A fleet has one collector and few sidecars that push to the same Envoy. */
const MAX_POLLS: u32 = 16;
/** So many bytes of prefix updates are news for a sidecar that is no collector: half of what a report may have. */
const MANY_PREFIXES: u32 = (MAX_PREFIX_WORDS * PREFIX_WORD_BYTES) / 2;
/** For this long after news the worker looks for further news every LIVELY_MILLISECONDS. */
const LIVELY: u64 = 500000000;
const LIVELY_MILLISECONDS: u32 = 5;
const WATCHFUL_MILLISECONDS: u32 = 20;

/** Period of an idle worker's ticks, ns. */
const IDLE_TICK: u64 = <u64>IDLE_TICK_MILLISECONDS * 1000000;
/** Flag of Poll.readingsFlags: the poll has the header. */
const ABOUT_READINGS: u32 = 0x80000000;

/** A position that the log of prefix updates never has. */
const NO_POSITION: u64 = 0xffffffffffffffff;

const POLL: u32 = offsetof<Poll>();
const polls: usize = memory.data(MAX_POLLS * POLL, 8);
const ended: usize = memory.data(offsetof<ReportAsk>(), 8);
let held: u32 = 0;
/** Number of held polls for which this worker looks for news between its ticks. */
let watching: u32 = 0;
/** When a collector's poll last had news, ns. */
let newsAt: u64 = 0;

/** Number of polls that this worker holds. */
export function heldPolls(): u32 {
  return held;
}

/** Milliseconds between two looks for news; 0: no held poll needs a look between ticks. */
export function pollPeriod(now: u64): u32 {
  if (watching == 0) return 0;
  return now >= newsAt && now - newsAt < LIVELY ? LIVELY_MILLISECONDS : WATCHFUL_MILLISECONDS;
}

/** Answers a GET for a traffic report, or holds it as a poll. `root` is the record of the stream's root. */
export function poll(id: u32, root: usize, ask: ReportAsk): void {
  const now = readClock();
  const asks = readPoll();
  if (asks === null || asks.milliseconds == 0) {
    answerReport(now, ask);
    return;
  }
  const about = readReadingsAsk();
  const flags: u32 = about === null ? 0 : <u32>about.flags | ABOUT_READINGS;
  const wanted = (flags & READINGS_WANTED) != 0;
  const wait = min(asks.milliseconds, MAX_POLL_MS) * 1000000;
  // An idle worker answers a quiet poll on its tick.
  const late: u64 = (flags & READINGS_QUIET) != 0 ? IDLE_TICK : 0;
  const collector = claimFor(asks, now, wait + late);
  if (wanted && collector != 0 && collector != <u32>asks.collector) listenToReadings(now);
  const stream = held < MAX_POLLS ? openStream(id, root) : null;
  if (stream === null) {
    answerReport(now, ask);
    return;
  }
  stream.phase = PHASE_POLL;
  const poll = freePoll();
  poll.ring = ask.ring;
  poll.position = ask.ring == instanceId() ? ask.position : NO_POSITION;
  poll.deadline = now + wait;
  poll.stream = changetype<usize>(stream);
  poll.news = <u32>asks.news;
  poll.known = <u32>asks.known;
  poll.collector = <u32>asks.collector;
  poll.emptied = emptied();
  poll.readings = about === null ? 0 : about.number;
  poll.readingsFlags = flags;
  poll.listened = isListened(readReadingsHead(), now);
  poll.began = now;
  held++;
  if (isWatched(poll)) watching++;
  readSummary();
  followSnapshot();
  followTraffic();
  if (poll.collector != 0) joinWorkers();
  exchange(now);
  if (isDue(poll, newsHash(), collector, poll.emptied, now)) answer(poll, now);
  else if (isWatched(poll)) tickEvery(changetype<Root>(root), pollPeriod(now));
}

/** Whether the worker looks for news between its ticks, for this poll. */
function isWatched(poll: Poll): bool {
  return collectsCounts(poll) || (poll.readingsFlags & READINGS_WANTED) != 0;
}

/** Whether each change of counts is news for this poll. */
function collectsCounts(poll: Poll): bool {
  return poll.collector != 0 && (poll.readingsFlags & READINGS_QUIET) == 0;
}

/** Takes over what the other workers have at `now`, ns. */
function exchange(now: u64): void {
  receiveCounts(now);
  exchangeNews(now);
}

/** Takes the lease for the sidecar of a poll of `wait` ns, if it is a collector. Returns the collector's id; 0: none. */
function claimFor(asks: PollAsk, now: u64, wait: u64): u32 {
  const id = <u32>asks.collector;
  return id == 0 ? collectorAt(now) : claimLease(id, <u32>min<u64>(asks.envoys, MAX_ENVOYS), now, wait);
}

function freePoll(): Poll {
  let i: u32 = 0;
  while (pollAt(i).stream != 0) i++;
  return pollAt(i);
}

function pollAt(i: u32): Poll {
  return changetype<Poll>(polls + i * POLL);
}

/** Call between ticks at `now`, ns. Looks for news, and answers the polls that are due. */
export function lookForNews(now: u64): void {
  readSummary();
  exchange(now);
  answerPolls(now);
}

/** Call at `now`, ns, after receiveCounts() and exchangeNews(). Answers the polls that are due. */
export function answerPolls(now: u64): void {
  if (held == 0) return;
  const news = newsHash();
  const collector = collectorAt(now);
  const empty = emptied();
  for (let i: u32 = 0; i < MAX_POLLS; i++) {
    const poll = pollAt(i);
    if (poll.stream == 0 || !isDue(poll, news, collector, empty, now)) continue;
    if (setEffectiveContext(changetype<Stream>(poll.stream).id)) answer(poll, now);
    else drop(poll);
  }
}

function isDue(poll: Poll, news: u32, collector: u32, empty: u32, now: u64): bool {
  const collects = collectsCounts(poll);
  if (newPrefixes(poll.position) >= (collects ? 1 : MANY_PREFIXES) || (collects && poll.news != news)) {
    if (collects) newsAt = now;
    return true;
  }
  if (now >= poll.deadline || poll.known != collector || poll.emptied != empty) return true;
  if (poll.readingsFlags == 0) return false;
  return isListened(readReadingsHead(), now) != poll.listened || wantsReadings(poll, collector, now);
}

/** Whether the answer to the poll at `now`, ns, has readings. */
function wantsReadings(poll: Poll, collector: u32, now: u64): bool {
  if ((poll.readingsFlags & READINGS_WANTED) == 0) return false;
  return hasReadings(readReadingsHead(), poll.readings, collector, poll.collector, now);
}

/** Answers a held poll. The effective context must be the poll's stream. */
function answer(poll: Poll, now: u64): void {
  changetype<Stream>(poll.stream).phase = PHASE_REPLIED;
  const ask = changetype<ReportAsk>(ended);
  ask.ring = poll.ring;
  ask.position = poll.position;
  if (poll.collector != 0) endLease(poll.collector, now, false);
  drop(poll);
  const report = makeReport(now, ask);
  if (poll.readingsFlags != 0) {
    const wanted = wantsReadings(poll, collectorAt(now), now);
    const listened = isListened(readReadingsHead(), now);
    endWithReadings(report, wanted, now > poll.began ? now - poll.began : 0, listened, now);
  }
  send(report);
}

/** Call when the stream of a poll ends before its answer. */
export function abortPoll(stream: Stream): void {
  for (let i: u32 = 0; i < MAX_POLLS; i++) {
    const poll = pollAt(i);
    if (poll.stream != changetype<usize>(stream)) continue;
    const now = readClock();
    if (poll.collector != 0) endLease(poll.collector, now, true);
    drop(poll);
  }
}

function drop(poll: Poll): void {
  if (isWatched(poll)) watching--;
  poll.stream = 0;
  held--;
}

/** Answers all polls of a root that is being deleted. */
export function releasePolls(root: usize): void {
  const now = readClock();
  for (let i: u32 = 0; i < MAX_POLLS; i++) {
    const poll = pollAt(i);
    if (poll.stream == 0 || changetype<Stream>(poll.stream).root != root) continue;
    if (setEffectiveContext(changetype<Stream>(poll.stream).id)) answer(poll, now);
    else drop(poll);
  }
}

/** Makes the report of this moment, `now` in ns. The record is valid until the next call. */
export function reportNow(now: u64, ask: ReportAsk): TrafficReport {
  exchange(now);
  return makeReport(now, ask);
}

/** Responds to a GET with a traffic report, also before the first push. */
export function answerReport(now: u64, ask: ReportAsk): void {
  readSummary();
  followSnapshot();
  followTraffic();
  send(reportNow(now, ask));
}

function send(report: TrafficReport): void {
  sendReport(hasSnapshot() ? current().version : 0, report);
}

/** Responds with a report. `version` is the version of the snapshot that this Envoy has; 0: none. */
export function sendReport(version: u64, report: TrafficReport): void {
  count(REPORTED);
  setReportVersion(report, version);
  sendBytes(200, report.pointer, report.length);
}
