// Decides once per request, when all that it says has come: what it asks for, whether it may go now, how it is sent on.
import { newRandom, Random } from "../../base/random";
import { Config } from "../../config/config";
import { findModel } from "../../route/models";
import { current, hasSnapshot } from "../../snapshot/current";
import { NONE } from "../../snapshot/view";
import { mayPick } from "../freshness";
import { Root } from "../root";
import { Stream } from "../streams";
import { admit } from "./admit";
import { ASK_MODEL, ASK_NO_MODEL, askBody, askPath } from "./ask";
import { forward, forwardWithoutModel } from "./forward";
import { refuseUnknown } from "./refuse";

/** The random source of rules, picks and places of this VM. */
const random: Random = newRandom(0);

export function seed(value: u64): void {
  random.state = value | 1;
}

/** The body is whole, `length` bytes of it. False: the request was refused and answered, or it waits (PHASE_WAITING). */
export function decideBody(stream: Stream, length: u32): bool {
  const asked = askBody(stream, length, random);
  if (asked == ASK_NO_MODEL) {
    forwardWithoutModel();
    return true;
  }
  return asked == ASK_MODEL && send(stream);
}

/** The path names the model, and no body has to be read. False: refused and answered, or the request waits. */
export function decidePath(stream: Stream): bool {
  return askPath(stream, random) == ASK_MODEL && send(stream);
}

/** A request that waited goes on. */
export function decideAgain(stream: Stream): void {
  const known = hasSnapshot() ? findModel(current(), stream.served, stream.servedLength) : NONE;
  forward(stream, configOf(stream), known, random);
}

/** Admits the request for its model and sends it on. */
function send(stream: Stream): bool {
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
