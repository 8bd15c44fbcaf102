// Chooses the endpoint for a request and two fallbacks, the cheapest first. Costs closer than TIE are equal and are
// decided at random: each cost gets a random part of TIE on top.
import { ENDPOINT_ASLEEP, ENDPOINT_DRAINING, ENDPOINT_READY } from "../../protocol/constants";
import { NONE, SnapshotView } from "../snapshot/view";
import { cost, signalsOf, USE_KV, USE_WAITING } from "./cost";
import { Random } from "./random";

/** A tenth of a request. */
const TIE: f32 = 0.1;
/** The pick and two fallbacks: what override_host tries in turn. */
export const MOST_PICKS: u32 = 3;

@unmanaged
export class Picks {
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
}

export function newPicks(): Picks {
  return changetype<Picks>(heap.alloc(offsetof<Picks>()));
}

/** May get requests: ready, not on its way out, awake. */
export function usable(view: SnapshotView, endpoint: u32): bool {
  return (view.flags(endpoint) & (ENDPOINT_READY | ENDPOINT_DRAINING | ENDPOINT_ASLEEP)) == ENDPOINT_READY;
}

/** Fills `picks` with up to three different endpoints of the model, best first; count 0 when none is usable. */
export function pick(view: SnapshotView, model: u32, random: Random, picks: Picks): void {
  picks.count = 0;
  const first = view.modelFirst(model);
  const end = first + view.modelEndpoints(model);
  let signals: u32 = USE_WAITING | USE_KV;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (usable(view, endpoint)) signals &= signalsOf(view, endpoint);
  }
  let a: f32 = Infinity;
  let b: f32 = Infinity;
  let c: f32 = Infinity;
  picks.first = NONE;
  picks.second = NONE;
  picks.third = NONE;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (!usable(view, endpoint)) continue;
    const x = cost(view, endpoint, signals) + random.fraction() * TIE;
    if (x < a) {
      c = b;
      picks.third = picks.second;
      b = a;
      picks.second = picks.first;
      a = x;
      picks.first = endpoint;
    } else if (x < b) {
      c = b;
      picks.third = picks.second;
      b = x;
      picks.second = endpoint;
    } else if (x < c) {
      c = x;
      picks.third = endpoint;
    }
    if (picks.count < MOST_PICKS) picks.count++;
  }
}
