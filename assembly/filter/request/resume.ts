// How waiting requests go on (hold.ts). A waiting request is resumed as soon as there is room. A tick finds room, or the end of
// another request makes room. A waiting request is also resumed when its reason to wait is gone: the snapshot is stale, the model is
// not known any more, the configuration changed or the root is deleted. A request that has waited too long is refused. A request
// whose client has gone leaves the queue. The queue ends with its VM: Envoy does not call a failed VM, so the filter does not answer
// a request that waits there. Envoy's stream_idle_timeout or the client ends that request.
//
// A worker resumes its share of the room that it sees: room / workers with waiting requests. On its tick it sees what the others have
// resumed (workers/shared-load.ts). Workers that do not share counts yet see this at most two ticks later. Until then a worker assumes
// that each of the others resumed as many requests as it did. Bound: together the workers exceed the room by less than one request per
// worker and tick. In the two ticks after a worker began to hold requests they also exceed the room by that worker's share.
import {
  findScope,
  firstScope,
  nextWaiting,
  oldestWaiting,
  Scope,
  takeNext,
  WaitingRequest,
  waitingCount,
} from "../../admission/queue";
import { AdmissionConfig, MODE_HOLD } from "../../config/admission-config";
import { ROLE_READER } from "../../config/config";
import { continueRequest, setEffectiveContext } from "../../host/calls";
import { findModel } from "../../route/models";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE } from "../../snapshot/view";
import { count, HOLD_ABORTED, HOLD_NO_ENDPOINT, HOLD_TIMEOUT, RESUMED } from "../../stats";
import { exchangeWaiting } from "../../workers/waiting-requests";
import { mayPick } from "../freshness";
import { Root } from "../root";
import { beginReply, endReply } from "../setup/reader-holder";
import { PHASE_PASS, PHASE_SENT, Stream } from "../streams";
import { decideAgain } from "./decide";
import { dropPrompt, findRoom, takeOut } from "./hold";
import { refuseLate } from "./refuse-busy";
import { measureScope } from "./scope";

/** Call on the tick. Measures the room anew, resumes as many requests as the room allows, and refuses requests that waited too long. */
export function tendWaiting(now: u64): void {
  exchangeWaiting(waitingCount(), now);
  if (waitingCount() == 0) return;
  for (let at = firstScope(); at; ) {
    const scope = changetype<Scope>(at);
    at = scope.next;
    findRoom(scope);
    scope.recent = 0;
    letGo(scope, true);
  }
  for (let at = oldestWaiting(); at; ) {
    const waiting = changetype<WaitingRequest>(at);
    at = waiting.newer;
    const stream = changetype<Stream>(waiting.stream);
    const admission = changetype<Root>(stream.root).config.admission;
    const timeout = <u64>admission.hold.timeout * 1000000;
    if (now > waiting.since && now - waiting.since > timeout) giveUp(stream, admission);
  }
}

/** Call when a request of a scope has ended and its stream's record is closed. Resumes a waiting request of the scope. */
export function roomFreed(key: u64): void {
  if (key == 0 || waitingCount() == 0) return;
  const scope = findScope(key);
  if (scope === null) return;
  scope.room++;
  letGo(scope, false);
}

/** Call when the stream ends. A waiting request leaves the queue, because its client has gone. */
export function abortWaiting(stream: Stream): void {
  if (!stream.waiting) return;
  takeOut(stream);
  count(HOLD_ABORTED);
}

/** Resumes all requests of a root that is being deleted. */
export function releaseRoot(root: Root): void {
  for (let at = oldestWaiting(); at; ) {
    const waiting = changetype<WaitingRequest>(at);
    at = waiting.newer;
    const stream = changetype<Stream>(waiting.stream);
    if (stream.root != changetype<usize>(root)) continue;
    takeOut(stream);
    resume(stream);
  }
}

/** Resumes requests of a scope while it has room. `shared`: the other workers may have found the same room. */
function letGo(scope: Scope, shared: bool): void {
  while (true) {
    const stream = changetype<Stream>(nextWaiting(scope).stream);
    const free = isFree(stream);
    if (!free && scope.room <= 0) return;
    if (!free) {
      scope.room--;
      if (shared) scope.recent++;
    }
    const last = takeNext(scope);
    stream.waiting = 0;
    resume(stream);
    if (last) return;
  }
}

/** Returns whether the request has no reason to wait any more. */
function isFree(stream: Stream): bool {
  const config = changetype<Root>(stream.root).config;
  if (!hasSnapshot() || !mayPick(config) || config.admission.mode != MODE_HOLD) return true;
  return findModel(current(), stream.served, stream.servedLength) == NONE;
}

function resume(stream: Stream): void {
  count(RESUMED);
  if (setEffectiveContext(stream.id)) sendOn(stream);
  if (stream.prompt) dropPrompt(stream);
}

/** Sends on a request that has left the queue. The effective context must be the request's stream. */
function sendOn(stream: Stream): void {
  const reads = changetype<Root>(stream.root).config.role == ROLE_READER;
  if (reads && !beginReply()) {
    stream.phase = PHASE_PASS;
    return;
  }
  decideAgain(stream);
  stream.phase = PHASE_SENT;
  if (reads) endReply(true);
  else continueRequest();
}

/** Refuses a request that has waited too long. */
function giveUp(stream: Stream, admission: AdmissionConfig): void {
  const view = current();
  const model = findModel(view, stream.served, stream.servedLength);
  let absent = true;
  if (model != NONE) absent = measureScope(admission, view, model, 0).endpoints == 0;
  takeOut(stream);
  if (setEffectiveContext(stream.id)) refuseLate(stream, admission, absent ? HOLD_NO_ENDPOINT : HOLD_TIMEOUT);
}
