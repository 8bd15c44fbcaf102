// How waiting requests go on (hold.ts). A request is resumed as soon as there is room, which a tick finds or the end of another
// request makes. It is also resumed when nothing holds it any more: the snapshot is stale, the model is not known any more, the
// configuration changed or the root is deleted. It is refused when its time is over. It leaves when its client has gone. The
// queue ends with its VM: Envoy does not call a failed VM, so a request that waits there gets no answer from the filter, and
// Envoy's stream_idle_timeout or its client ends it.
//
// A worker lets go of its share of the room that it sees: room / workers with waiting requests. It counts at once what it let
// go itself. It receives what the others let go two ticks later at most. Until then it assumes that each of them let go as many
// as it did. Bound: together the workers exceed the room by less than one request a worker and tick. In the two ticks after a
// worker began to hold requests they exceed it by that worker's share as well.
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

/** On the tick: measures the room anew, lets go as many as there is room for, and refuses requests that waited too long. */
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

/** A request of a scope is over: another one has room. After the stream's record was closed. */
export function roomFreed(key: u64): void {
  if (key == 0 || waitingCount() == 0) return;
  const scope = findScope(key);
  if (scope === null) return;
  scope.room++;
  letGo(scope, false);
}

/** The client has gone. */
export function abortWaiting(stream: Stream): void {
  if (!stream.waiting) return;
  takeOut(stream);
  count(HOLD_ABORTED);
}

/** Requests of a root that is deleted go on. */
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

/** `shared`: the other workers, too, may have found this room. */
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

/** Whether nothing holds the request any more. */
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

/** Sends a request on that has left the queue; the effective context is its own. */
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

function giveUp(stream: Stream, admission: AdmissionConfig): void {
  const view = current();
  const model = findModel(view, stream.served, stream.servedLength);
  let absent = true;
  if (model != NONE) absent = measureScope(admission, view, model, 0).endpoints == 0;
  takeOut(stream);
  if (setEffectiveContext(stream.id)) refuseLate(stream, admission, absent ? HOLD_NO_ENDPOINT : HOLD_TIMEOUT);
}
