// Requests that are held back (admission/queue.ts) and how they go on: as soon as there is room, which a tick finds, or the
// end of another request; when their time is over; when their client has gone; or when nothing holds them any more, because
// the snapshot is stale, the model is not known any more, the configuration changed or the root is deleted.
//
// A worker lets go of its share of the room that it sees: room / workers that hold requests. What it let go itself it counts at
// once; what the others let go it hears two ticks later at most, and takes until then to be what it let go itself. Bound:
// together they exceed the room by less than one request a worker and tick, and in the two ticks after a worker began to hold
// by that worker's share.
import {
  addHeld,
  findScope,
  firstScope,
  Held,
  heldBytes,
  heldCount,
  lowestBelow,
  nextHeld,
  oldestHeld,
  removeHeld,
  Scope,
  takeNext,
} from "../../admission/queue";
import { measure, roomLeft, usableEndpoints } from "../../admission/saturation";
import { newRandom, Random } from "../../base/random";
import { AdmissionConfig, MODE_HOLD } from "../../config/admission";
import { closePrompt, MAX_PROMPTS, Prompt } from "../../endpoints/cache/prompt";
import { setEffectiveContext } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { findModel } from "../../route/models";
import { ageMilliseconds, current, hasSnapshot } from "../../snapshot/current";
import { modelPool } from "../../snapshot/objects";
import { NONE } from "../../snapshot/view";
import {
  count,
  HELD,
  HOLD_ABORTED,
  HOLD_DISPLACED,
  HOLD_FULL,
  HOLD_NO_ENDPOINT,
  HOLD_TIMEOUT,
  RESUMED,
} from "../../stats";
import { holdersBeside, tellHeld } from "../../workers/waiting";
import { Root } from "../root";
import { PHASE_HELD, Stream } from "../streams";
import { measuredModel } from "./admit";
import { isStale, resumeRequest } from "./decide";
import { refuseFull, refuseLate } from "./refuse-busy";

/** Held requests beyond these give their prompt's hashes back. */
const MOST_HASHED: u32 = MAX_PROMPTS / 4;
/** Requests of lower priorities that one may displace: it may need the bytes of several. */
const MOST_DISPLACED: u32 = 8;

const random: Random = newRandom(0x401d);

/** Inside the stream's own callback. False: there is no room to wait in, refused and answered. */
export function hold(stream: Stream, admission: AdmissionConfig): bool {
  const fits = makeRoom(stream, admission);
  const first = findScope(stream.scope) === null;
  const held = fits
    ? addHeld(stream.scope, stream.priority, stream.fairness, changetype<usize>(stream), stream.buffered, tickTime())
    : null;
  if (held === null) {
    refuseFull(stream, admission, HOLD_FULL);
    return false;
  }
  count(HELD);
  stream.held = changetype<usize>(held);
  stream.phase = PHASE_HELD;
  if (first) look(findScope(stream.scope)!);
  if (stream.prompt && heldCount() > MOST_HASHED) dropPrompt(stream);
  return true;
}

/** Whether the request fits; those of lower priorities give way to it, the newest first. */
function makeRoom(stream: Stream, admission: AdmissionConfig): bool {
  const size: u64 = stream.buffered;
  if (size > <u64>admission.mostBytes) return false;
  let displaced: u32 = 0;
  while (heldCount() >= admission.mostHeld || heldBytes() + size > <u64>admission.mostBytes) {
    const lowest = displaced < MOST_DISPLACED ? lowestBelow(stream.priority) : 0;
    if (!lowest) break;
    const victim = changetype<Stream>(changetype<Held>(lowest).stream);
    takeOut(victim);
    if (setEffectiveContext(victim.id))
      refuseFull(victim, changetype<Root>(victim.root).config.admission, HOLD_DISPLACED);
    displaced++;
  }
  if (displaced > 0) setEffectiveContext(stream.id);
  return heldCount() < admission.mostHeld && heldBytes() + size <= <u64>admission.mostBytes;
}

/** On the tick: looks at the endpoints anew, lets go what there is room for, and refuses what has waited too long. */
export function tendHeld(now: u64): void {
  tellHeld(heldCount(), now);
  if (heldCount() == 0) return;
  for (let at = firstScope(); at; ) {
    const scope = changetype<Scope>(at);
    at = scope.next;
    look(scope);
    scope.recent = 0;
    letGo(scope, true);
  }
  for (let at = oldestHeld(); at; ) {
    const held = changetype<Held>(at);
    at = held.newer;
    const stream = changetype<Stream>(held.stream);
    const admission = changetype<Root>(stream.root).config.admission;
    if (now > held.since && now - held.since > <u64>admission.timeoutMilliseconds * 1000000) giveUp(stream, admission);
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

/** How many requests of a scope this worker may let go until the next tick. */
function look(scope: Scope): void {
  const stream = changetype<Stream>(nextHeld(scope).stream);
  const view = current();
  const model = hasSnapshot() ? findModel(view, stream.served, stream.servedLength) : NONE;
  if (model == NONE) return;
  const limits = changetype<Root>(stream.root).config.admission.limits;
  measure(view, modelPool(view, model), measuredModel(view, model), limits, ageMilliseconds(tickTime()), tickTime());
  // Rounded at random, so that the shares add up to the room.
  const beside = <f32>holdersBeside();
  const share = (roomLeft(limits) - <f32>scope.recent * beside) / (beside + 1);
  scope.room = <i32>Math.floor(share + random.fraction());
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
  if (!hasSnapshot() || isStale(config) || config.admission.mode != MODE_HOLD) return true;
  return findModel(current(), stream.served, stream.servedLength) == NONE;
}

function resume(stream: Stream): void {
  count(RESUMED);
  if (setEffectiveContext(stream.id)) resumeRequest(stream);
  if (stream.prompt) dropPrompt(stream);
}

function giveUp(stream: Stream, admission: AdmissionConfig): void {
  const view = current();
  const model = findModel(view, stream.served, stream.servedLength);
  let absent = true;
  if (model != NONE) {
    measure(view, modelPool(view, model), measuredModel(view, model), admission.limits, 0, tickTime());
    absent = usableEndpoints == 0;
  }
  takeOut(stream);
  if (setEffectiveContext(stream.id)) refuseLate(stream, admission, absent ? HOLD_NO_ENDPOINT : HOLD_TIMEOUT);
}

function takeOut(stream: Stream): void {
  removeHeld(changetype<Held>(stream.held));
  stream.held = 0;
  if (stream.prompt) dropPrompt(stream);
}

function dropPrompt(stream: Stream): void {
  closePrompt(changetype<Prompt>(stream.prompt));
  stream.prompt = 0;
}
