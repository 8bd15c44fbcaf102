// Decides once per request, at the end of its body, or at its headers if the path names the model: which model the request asks
// for, whether the request may go on now, and how it is sent on.
import { newRandom, Random } from "../../base/random";
import { Config } from "../../config/config";
import { hasOtherEnvoys } from "../../endpoints/remote";
import { findModel } from "../../route/models";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE } from "../../snapshot/view";
import { readSummary } from "../../workers/summary";
import { followTraffic } from "../follow";
import { mayPick } from "../freshness";
import { Root } from "../root";
import { Stream } from "../streams";
import { admit } from "./admit";
import { ASK_MODEL, ASK_NO_MODEL, askBody, askPath } from "./ask";
import { forward, forwardWithoutModel } from "./forward";
import { refuseUnknown } from "./refuse";

/** This VM's random source for rules, picks and places. */
const random: Random = newRandom(0);

export function seed(value: u64): void {
  random.state = value | 1;
}

/**
 * Decides a request with a body. The body is whole and has `length` bytes. Returns false when the request was refused and answered,
 * or waits (PHASE_WAITING).
 */
export function decideBody(stream: Stream, length: u32): bool {
  const asked = askBody(stream, length, random);
  if (asked == ASK_NO_MODEL) {
    forwardWithoutModel();
    return true;
  }
  return asked == ASK_MODEL && send(stream);
}

/** Decides a request whose path names the model, so that the filter reads no body. Returns false as decideBody() does. */
export function decidePath(stream: Stream): bool {
  return askPath(stream, random) == ASK_MODEL && send(stream);
}

/** Sends a request on that has waited. */
export function decideAgain(stream: Stream): void {
  const known = hasSnapshot() ? findModel(current(), stream.served, stream.servedLength) : NONE;
  forward(stream, configOf(stream), known, random);
}

/** Sends the request on if its model is accepted and admission lets it go. Returns false as decideBody() does. */
function send(stream: Stream): bool {
  // Where sidecars tell of other Envoys, a pick does not wait for the next tick to learn what these have sent.
  if (hasOtherEnvoys()) {
    readSummary();
    followTraffic();
  }
  const config = configOf(stream);
  const known = hasSnapshot() ? findModel(current(), stream.served, stream.servedLength) : NONE;
  if (known == NONE && hasSnapshot() && config.models.rejectUnknown) {
    if (stream.nameLength) refuseUnknown(stream.name, stream.nameLength);
    else refuseUnknown(stream.served, stream.servedLength);
    return false;
  }
  if (known != NONE && mayPick(config) && !admit(stream, config, known)) return false;
  forward(stream, config, known, random);
  return true;
}

function configOf(stream: Stream): Config {
  return changetype<Root>(stream.root).config;
}
