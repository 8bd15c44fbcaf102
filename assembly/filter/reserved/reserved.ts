// The reserved path. POST stores a snapshot, the traffic of other Envoys, or readings of pods. GET reads the current snapshot back, or returns a traffic
// report (polls.ts). Client requests do not come here, so this code may allocate.

import {
  CODE_ABSENT,
  CODE_LEASED,
  CODE_MALFORMED,
  CODE_METHOD,
  CODE_NOT_FOUND,
  CODE_NOT_STORED,
  CODE_OUTDATED,
  CODE_TOO_LARGE,
  CODE_UNAUTHENTICATED,
} from "../../../protocol/constants";
import { CODE_NOT_COLLECTOR } from "../../../protocol/readings/readings-constants";
import { BROKEN_BODY_LENGTH, ruleCode, ruleSentence, VALID } from "../../../protocol/rules";
import { Bytes, bytesEqual, equalConstantTime } from "../../base/bytes";
import { writeTo } from "../../base/writer";
import {
  BODY_STOP_AND_BUFFER,
  getBuffer,
  HEADERS_STOP,
  REQUEST_BODY,
  resultLength,
  resultPointer,
} from "../../host/calls";
import { largeBuffer } from "../../host/memory";
import { readClock } from "../../host/tick-time";
import { pathLength } from "../../route/paths";
import { ageMilliseconds, current, hasSnapshot } from "../../snapshot/current";
import { isReadingsPush, readingsCollector, verifyReadingsPush } from "../../snapshot/readings-push";
import { isTrafficPush, openTrafficPush, verifyTrafficPush } from "../../snapshot/traffic-push";
import { verify } from "../../snapshot/verify";
import { newView } from "../../snapshot/view";
import {
  count,
  READINGS_REFUSED,
  READINGS_STORED,
  SNAPSHOT_HELD,
  SNAPSHOT_MALFORMED,
  SNAPSHOT_OTHER,
  SNAPSHOT_OUTDATED,
  SNAPSHOT_READ,
  SNAPSHOT_STORED,
  SNAPSHOT_TOO_LARGE,
  SNAPSHOT_UNAUTHENTICATED,
  TRAFFIC_STORED,
  writeMetrics,
} from "../../stats";
import { collectorAt } from "../../workers/collector-lease";
import { readSums } from "../../workers/published-sums";
import { storeReadings } from "../../workers/stored-readings";
import { LEASED, OUTDATED, STORED, storeSnapshot } from "../../workers/stored-snapshot";
import { storeTraffic } from "../../workers/stored-traffic";
import { readSummary } from "../../workers/summary";
import { followSnapshot, followTraffic } from "../follow";
import { isStale } from "../freshness";
import { GET, POST } from "../headers/header-names";
import { declaredLength, HEAD_PATH, HEAD_SECRET, headLength, headPointer, isMethod } from "../headers/request-head";
import { beginError, sendBytes, sendError, sendJson } from "../local-reply";
import { leaveGarbage, Root } from "../root";
import { openStream, PHASE_PUSH, PHASE_REPLIED, Stream, stateOf } from "../streams";
import { answerReport, poll, reportNow, sendReport } from "./polls";
import { writeSnapshot } from "./readback";
import { writeSums } from "./readback-sums";
import { hasAsk, parseAsk, readAsk, TrafficReport } from "./traffic-report";

const READBACK_BYTES: u32 = 2097152;
/** Bytes of the longest report header: two numbers of 20 digits, and a dot. */
const MAX_ASK_BYTES: u32 = 41;
/** Length of a pushed body that ends with trailers. */
export const UNKNOWN_LENGTH: u32 = 0xffffffff;
const pushed = newView();

/** Call after readHead(). The request never reaches an upstream. */
export function reservedHeaders(id: u32, root: Root, endOfStream: bool): i32 {
  const known = isPath(root.config.snapshot.path);
  if (!isAuthentic(root.config.snapshot.secrets)) {
    refuse(401, SNAPSHOT_UNAUTHENTICATED, unauthenticatedText(root), CODE_UNAUTHENTICATED);
  } else if (!known) {
    refuse(404, SNAPSHOT_OTHER, "Nothing is here; the snapshot's path is set by snapshot.path.", CODE_NOT_FOUND);
  } else if (isMethod(GET)) {
    const ask = readAsk();
    if (ask === null) readBack(root);
    else if (endOfStream) poll(id, changetype<usize>(root), ask);
    else answerReport(readClock(), ask);
  } else if (!isMethod(POST)) {
    refuse(405, SNAPSHOT_OTHER, "POST a snapshot here, or GET the current one.", CODE_METHOD);
  } else if (endOfStream) {
    refuseMalformed(BROKEN_BODY_LENGTH);
  } else if (declaredLength() > <i64>root.config.snapshot.maxBytes) {
    refuseTooLarge(root);
  } else {
    const stream = openStream(id, changetype<usize>(root));
    if (stream !== null) {
      stream.phase = PHASE_PUSH;
      keepAsk(stream);
      return HEADERS_STOP;
    }
    refuse(503, SNAPSHOT_OTHER, "Too many streams are open; push again.", CODE_NOT_STORED);
  }
  return HEADERS_STOP;
}

/** Copies the report header of a push into the stream's state, because a reader has no headers any more when the body is whole. */
function keepAsk(stream: Stream): void {
  if (!hasAsk() || resultLength() > MAX_ASK_BYTES) return;
  stream.name = stateOf(stream);
  stream.nameLength = resultLength();
  memory.copy(stream.name, resultPointer(), resultLength());
}

/** Takes the pushed body when it is whole. After trailers the body's length is not known, and `length` is UNKNOWN_LENGTH. */
export function reservedBody(stream: Stream, length: u32, endOfStream: bool): i32 {
  const root = changetype<Root>(stream.root);
  const limit = root.config.snapshot.maxBytes;
  if (length > limit && length != UNKNOWN_LENGTH) {
    stream.phase = PHASE_REPLIED;
    refuseTooLarge(root);
  } else if (endOfStream) {
    stream.phase = PHASE_REPLIED;
    // The report is made before the body is read, because the report's host calls overwrite the body.
    const ask = parseAsk(stream.name, stream.nameLength);
    const report: TrafficReport | null = ask === null ? null : reportNow(readClock(), ask);
    if (getBuffer(REQUEST_BODY, 0, min(length, limit))) storePush(root, resultPointer(), resultLength(), report);
    else refuseMalformed(BROKEN_BODY_LENGTH);
  }
  return BODY_STOP_AND_BUFFER;
}

/** Verifies and stores a pushed body: a snapshot or a traffic push. `report` is the traffic report to respond with; null: the sidecar asked for none. */
function storePush(root: Root, data: usize, bytes: u32, report: TrafficReport | null): void {
  if (isTrafficPush(data, bytes)) {
    storePushedTraffic(data, bytes);
    return;
  }
  if (isReadingsPush(data, bytes)) {
    storePushedReadings(data, bytes);
    return;
  }
  const broken = verify(pushed, data, bytes);
  if (broken != VALID) {
    refuseMalformed(broken);
    return;
  }
  const version = pushed.version;
  const now = readClock();
  const stored = storeSnapshot(data, bytes, now, <u64>root.config.snapshot.staleAfter * 1000000);
  if (stored.outcome == STORED) {
    count(SNAPSHOT_STORED);
    followSnapshot();
    if (report !== null) {
      sendReport(version, report);
      return;
    }
    const writer = writeTo(largeBuffer(4096), 4096);
    writer.raw('{"version":"');
    writer.number(version);
    writer.raw('"}');
    sendJson(200, writer.start, writer.length);
  } else if (stored.outcome == OUTDATED) {
    count(SNAPSHOT_OUTDATED);
    const writer = beginError();
    writer.raw("The snapshot's version is not above that of the stored one; send a version above ");
    writer.number(stored.storedVersion);
    writer.raw(".");
    sendError(writer, 409, "", CODE_OUTDATED, stored.storedVersion);
  } else if (stored.outcome == LEASED) {
    count(SNAPSHOT_HELD);
    const writer = beginError();
    writer.raw(
      "Another sidecar's snapshot is in use, and is as complete as this one; push again when its lease has ended.",
    );
    sendError(writer, 409, "", CODE_LEASED, 0, stored.leaseLeft / 1000000 + 1);
  } else {
    refuse(500, SNAPSHOT_OTHER, "The snapshot could not be stored; push it again.", CODE_NOT_STORED);
  }
}

function storePushedTraffic(data: usize, bytes: u32): void {
  const broken = verifyTrafficPush(data, bytes);
  if (broken != VALID) {
    refuseMalformed(broken);
    return;
  }
  const push = openTrafficPush(data);
  const envoys = push.envoys;
  if (!storeTraffic(data, push, readClock())) {
    refuse(500, SNAPSHOT_OTHER, "The traffic could not be stored; push it again.", CODE_NOT_STORED);
    return;
  }
  count(TRAFFIC_STORED);
  readSummary();
  followTraffic();
  const writer = writeTo(largeBuffer(4096), 4096);
  writer.raw('{"envoys":');
  writer.number(envoys);
  writer.raw("}");
  sendJson(200, writer.start, writer.length);
}

/** Only the sidecar that has the lease of this Envoy may store readings. */
function storePushedReadings(data: usize, bytes: u32): void {
  const broken = verifyReadingsPush(data, bytes);
  if (broken != VALID) {
    refuseMalformed(broken);
    return;
  }
  const now = readClock();
  const collector = readingsCollector(data);
  const copy = heap.alloc(bytes);
  memory.copy(copy, data, bytes);
  const allowed = collector != 0 && collectorAt(now) == collector;
  const stored = allowed && storeReadings(copy, bytes, collector, now);
  heap.free(copy);
  if (!allowed) {
    refuse(409, READINGS_REFUSED, "The readings are not from the collector of this Envoy.", CODE_NOT_COLLECTOR);
  } else if (!stored) {
    refuse(500, READINGS_REFUSED, "The readings could not be stored; push later ones.", CODE_NOT_STORED);
  } else {
    count(READINGS_STORED);
    const writer = writeTo(largeBuffer(4096), 4096);
    writer.raw('{"bytes":');
    writer.number(bytes);
    writer.raw("}");
    sendJson(200, writer.start, writer.length);
  }
}

function readBack(root: Root): void {
  const now = readClock();
  readSummary();
  followSnapshot();
  followTraffic();
  if (!hasSnapshot()) {
    refuse(404, SNAPSHOT_OTHER, "No snapshot has been pushed yet.", CODE_ABSENT);
    return;
  }
  const writer = writeTo(largeBuffer(READBACK_BYTES), READBACK_BYTES);
  writeSnapshot(writer, current(), ageMilliseconds(now), isStale(root.config));
  writeSums(writer, current(), readSums(now));
  writer.raw(',"metrics":');
  writeMetrics(writer);
  writer.raw("}");
  if (writer.overflowed) {
    refuse(500, SNAPSHOT_OTHER, "The snapshot is too large to be shown as JSON.", "snapshot_too_large_to_show");
    return;
  }
  count(SNAPSHOT_READ);
  sendJson(200, writer.start, writer.length);
}

/** Returns whether the request's path without its query is `path`. */
function isPath(path: Bytes): bool {
  const length = pathLength(headPointer(HEAD_PATH), headLength(HEAD_PATH));
  return bytesEqual(headPointer(HEAD_PATH), length, path.pointer, path.length);
}

/** Compares the request's secret with all secrets, so that the time does not depend on which secret matched. */
function isAuthentic(secrets: Bytes[]): bool {
  let authentic = false;
  for (let i = 0; i < secrets.length; i++) {
    const secret = unchecked(secrets[i]);
    const equal = equalConstantTime(headPointer(HEAD_SECRET), headLength(HEAD_SECRET), secret.pointer, secret.length);
    authentic = authentic || equal;
  }
  return authentic;
}

function unauthenticatedText(root: Root): string {
  return root.config.snapshot.secrets.length == 0
    ? "The filter has no secret: set PILOTFISH_SECRET in the VM's environment, or snapshot.secret."
    : "The header x-pilotfish-secret is missing, or is not the filter's secret.";
}

function refuseMalformed(rule: u32): void {
  count(SNAPSHOT_MALFORMED);
  leaveGarbage();
  const writer = beginError();
  writer.raw("The push is refused by rule ");
  writer.number(rule);
  writer.raw(" (");
  writer.raw(ruleCode(rule));
  writer.raw("): ");
  writer.raw(ruleSentence(rule));
  writer.raw(".");
  sendError(writer, 400, "", CODE_MALFORMED);
}

function refuseTooLarge(root: Root): void {
  count(SNAPSHOT_TOO_LARGE);
  const writer = beginError();
  writer.raw("The snapshot is larger than snapshot.maxBytes, ");
  writer.number(root.config.snapshot.maxBytes);
  writer.raw(" bytes.");
  sendError(writer, 413, "", CODE_TOO_LARGE);
}

function refuse(status: u32, counter: u32, message: string, code: string): void {
  count(counter);
  const writer = beginError();
  writer.raw(message);
  sendError(writer, status, "", code);
}
