// Puts a request into the queue (admission/queue.ts) when there is no room for it. resume.ts lets waiting requests go on.
import {
  addWaiting,
  findScope,
  lowestBelow,
  nextWaiting,
  removeWaiting,
  Scope,
  WaitingRequest,
  waitingBytes,
  waitingCount,
} from "../../admission/queue";
import { roomLeft } from "../../admission/saturation";
import { newRandom, Random } from "../../base/random";
import { AdmissionConfig } from "../../config/admission-config";
import { closePrompt, MAX_PROMPTS, Prompt } from "../../endpoints/cache/prompt";
import { setEffectiveContext } from "../../host/calls";
import { tickTime } from "../../host/tick-time";
import { findModel } from "../../route/models";
import { ageMilliseconds, current, hasSnapshot } from "../../snapshot/current";
import { NONE } from "../../snapshot/view";
import { count, HELD, HOLD_DISPLACED, HOLD_FULL } from "../../stats";
import { sharesLoad } from "../../workers/shared-load";
import { holdersBeside } from "../../workers/waiting-requests";
import { Root } from "../root";
import { PHASE_WAITING, Stream } from "../streams";
import { refuseFull } from "./refuse-busy";
import { measureScope } from "./scope";

/** At most about this many waiting requests keep their prompt's hashes. A request that comes later gives its hashes back. */
const MAX_HASHED: u32 = MAX_PROMPTS / 4;
/** Requests of lower priorities that one request may displace. A large request may need the bytes of several small ones. */
const MAX_DISPLACED: u32 = 8;

const random: Random = newRandom(0x401d);

/** Lets the request wait, or refuses it when the queue is full. Call only in the stream's own callback. */
export function hold(stream: Stream, admission: AdmissionConfig): void {
  const fits = makeRoom(stream, admission);
  const first = findScope(stream.scope) === null;
  const waiting = fits
    ? addWaiting(stream.scope, stream.priority, stream.fairness, changetype<usize>(stream), stream.buffered, tickTime())
    : null;
  if (waiting === null) {
    refuseFull(stream, admission, HOLD_FULL);
    return;
  }
  count(HELD);
  stream.waiting = changetype<usize>(waiting);
  stream.phase = PHASE_WAITING;
  if (first) findRoom(findScope(stream.scope)!);
  if (stream.prompt && waitingCount() > MAX_HASHED) dropPrompt(stream);
}

/** Displaces requests of lower priorities, the newest first, until the request fits into the queue. Returns whether it fits. */
function makeRoom(stream: Stream, admission: AdmissionConfig): bool {
  const size: u64 = stream.buffered;
  if (size > <u64>admission.hold.maxBytes) return false;
  let displaced: u32 = 0;
  while (waitingCount() >= admission.hold.maxRequests || waitingBytes() + size > <u64>admission.hold.maxBytes) {
    const lowest = displaced < MAX_DISPLACED ? lowestBelow(stream.priority) : 0;
    if (!lowest) break;
    const victim = changetype<Stream>(changetype<WaitingRequest>(lowest).stream);
    takeOut(victim);
    if (setEffectiveContext(victim.id))
      refuseFull(victim, changetype<Root>(victim.root).config.admission, HOLD_DISPLACED);
    displaced++;
  }
  if (displaced > 0) setEffectiveContext(stream.id);
  return waitingCount() < admission.hold.maxRequests && waitingBytes() + size <= <u64>admission.hold.maxBytes;
}

/** Measures a scope, and sets how many of its requests this worker may resume until the next tick. */
export function findRoom(scope: Scope): void {
  const stream = changetype<Stream>(nextWaiting(scope).stream);
  const view = current();
  const model = hasSnapshot() ? findModel(view, stream.served, stream.servedLength) : NONE;
  if (model == NONE) return;
  const admission = changetype<Root>(stream.root).config.admission;
  const saturation = measureScope(admission, view, model, ageMilliseconds(tickTime()));
  const room = roomLeft(saturation, admission.limits);
  const beside = <f32>holdersBeside();
  // Workers that share counts see what the others have resumed. Each rounds up, so that they use the whole room.
  if (sharesLoad()) scope.room = <i32>Math.ceil(room / (beside + 1));
  // Otherwise each rounds up or down at random, so that the mean of the workers' shares adds up to the room.
  else scope.room = <i32>Math.floor((room - <f32>scope.recent * beside) / (beside + 1) + random.fraction());
}

/** Removes the request from the queue. The caller refuses the request, sends it on, or ends its stream. */
export function takeOut(stream: Stream): void {
  removeWaiting(changetype<WaitingRequest>(stream.waiting));
  stream.waiting = 0;
  if (stream.prompt) dropPrompt(stream);
}

/** Gives back the hashes of the stream's prompt, when no pick needs them any more. */
export function dropPrompt(stream: Stream): void {
  closePrompt(changetype<Prompt>(stream.prompt));
  stream.prompt = 0;
}
