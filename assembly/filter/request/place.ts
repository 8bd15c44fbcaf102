// The place of a request (places/): chosen before the endpoint, and counted.
import { POLICY_DRY_RUN, POLICY_IS_IN_FLIGHT } from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";
import { Random } from "../../base/random";
import { setProperty } from "../../host/calls";
import { choosePlace, elsewhere, nearest, overAll } from "../../places/choose";
import { keepTo, keepToAll } from "../../places/range";
import { roomAt, sentTo } from "../../places/rooms";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, PLACES_DRY_RUN, PLACES_FULL, PLACES_SPILLED } from "../../stats";
import { changeHeader } from "../headers/changes";
import { countPick } from "../place-counters";

const TIMEOUT = bytesOf("x-envoy-upstream-rq-timeout-ms");
const STATE_PLACE = bytesOf("pilotfish.place");
const digits: usize = memory.data(16);

let policy: u32 = NONE;
let chosen: u32 = NONE;
let dryRun: bool = false;

/** Chooses the place and keeps the pick to it. */
export function enterPlace(view: SnapshotView, model: u32, tick: u64, random: Random): void {
  chosen = NONE;
  policy = view.modelPolicy(model);
  if (policy == NONE || view.placeCount == 0) return;
  chosen = choosePlace(view, model, tick, random);
  if (chosen == NONE) return;
  dryRun = (view.policyFlags(policy) & POLICY_DRY_RUN) != 0;
  if (dryRun) return;
  const limited = view.policyMode(policy) == POLICY_IS_IN_FLIGHT && !overAll;
  keepTo(roomAt(chosen).first, roomAt(chosen).count, limited ? view.policyMostInFlight(policy) : 0);
}

/** True: nothing in the place could be picked after all, and the pick is worth another try over all places. */
export function leavePlace(picked: bool): bool {
  keepToAll();
  if (chosen == NONE || dryRun || picked) return false;
  chosen = NONE;
  return true;
}

/** Counts the place of a pick, and says it to access logs where they want it; returns an endpoint elsewhere to retry on, or NONE. */
export function countPlace(view: SnapshotView, random: Random, writesState: bool): u32 {
  if (policy == NONE) return NONE;
  const timeout = view.policyTimeout(policy);
  if (timeout > 0) writeTimeout(timeout);
  if (chosen == NONE) return NONE;
  const room = roomAt(chosen);
  countPick(view, room.place, dryRun);
  if (overAll) count(PLACES_FULL);
  if (dryRun) {
    count(PLACES_DRY_RUN);
    return NONE;
  }
  sentTo(room);
  if (room.order != roomAt(nearest).order) count(PLACES_SPILLED);
  if (writesState) setProperty(STATE_PLACE, view.placeName(room.place), view.placeNameLength(room.place));
  return elsewhere(view, chosen, random);
}

function writeTimeout(milliseconds: u32): void {
  let at: u32 = 16;
  for (let rest = milliseconds; rest > 0; rest /= 10) store<u8>(digits + --at, <u8>(0x30 + (rest % 10)));
  changeHeader(TIMEOUT, digits + at, 16 - at);
}
