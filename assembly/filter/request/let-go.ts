// How waiting requests go on (hold.ts): as soon as there is room, which a tick finds, or the end of another request; when
// their time is over; when their client has gone; or when nothing holds them any more, because the snapshot is stale, the
// model is not known any more, the configuration changed or the root is deleted.
//
// A worker lets go of its share of the room that it sees: room / workers with waiting requests. It counts at once what it let
// go itself. What the others let go it receives two ticks later at most; until then it assumes that each of them let go as
// many as it did. Bound: together the workers exceed the room by less than one request a worker and tick, and in the two
// ticks after a worker began to hold requests by that worker's share.
import { findScope, firstScope, Held, heldCount, nextHeld, oldestHeld, Scope, takeNext } from "../../admission/queue";
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

/** On the tick: looks at the endpoints anew, lets go what there is room for, and refuses what has waited too long. */
export function tendHeld(now: u64): void {
  exchangeWaiting(heldCount(), now);
  if (heldCount() == 0) return;
  for (let at = firstScope(); at; ) {
    const scope = changetype<Scope>(at);
    at = scope.next;
    findRoom(scope);
    scope.recent = 0;
    letGo(scope, true);
  }
  for (let at = oldestHeld(); at; ) {
    const held = changetype<Held>(at);
    at = held.newer;
    const stream = changetype<Stream>(held.stream);
    const admission = changetype<Root>(stream.root).config.admission;
    if (now > held.since && now - held.since > <u64>admission.hold.timeout * 1000000) giveUp(stream, admission);
  }
}

/** A request of a scope is over: its place is free. After the stream's record was closed. */
export function madeRoom(key: u64): void {
  if (key == 0 || heldCount() == 0) return;
  const scope = findScope(key);
  if (scope === null) return;
  scope.room++;
  letGo(scope, false);
}

/** The client has gone. */
export function abortHeld(stream: Stream): void {
  if (!stream.held) return;
  takeOut(stream);
  count(HOLD_ABORTED);
}

/** Nothing is held for a root that goes. */
export function releaseRoot(root: Root): void {
  for (let at = oldestHeld(); at; ) {
    const held = changetype<Held>(at);
    at = held.newer;
    const stream = changetype<Stream>(held.stream);
    if (stream.root != changetype<usize>(root)) continue;
    takeOut(stream);
    resume(stream);
  }
}

/** `unheard`: the other workers, too, may have found this room. */
function letGo(scope: Scope, unheard: bool): void {
  while (true) {
    const stream = changetype<Stream>(nextHeld(scope).stream);
    const free = isFree(stream);
    if (!free && scope.room <= 0) return;
    if (!free) {
      scope.room--;
      if (unheard) scope.recent++;
    }
    const last = takeNext(scope);
    stream.held = 0;
    resume(stream);
    if (last) return;
  }
}

/** Nothing says any more that it has to wait. */
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
