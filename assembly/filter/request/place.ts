// Counts the place of a request. forward.ts chooses a place (places/) before it picks an endpoint.
import { bytesOf } from "../../base/bytes";
import { Random } from "../../base/random";
import { setProperty } from "../../host/calls";
import { endpointElsewhere, PlaceChoice } from "../../places/choose";
import { sentTo } from "../../places/rooms";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, PLACES_DRY_RUN, PLACES_FULL, PLACES_SPILLED } from "../../stats";
import { changeHeader } from "../headers/changes";
import { countPick } from "../place-counters";

const TIMEOUT = bytesOf("x-envoy-upstream-rq-timeout-ms");
const STATE_PLACE = bytesOf("pilotfish.place");
/** Digits of the largest u32. */
const MAX_DIGITS: u32 = 10;
const digits: usize = memory.data(MAX_DIGITS);

/**
 * The caller found no endpoint in the request's place. Returns true if the request had a place; the place is dropped, and the
 * caller should pick among all places. Returns false if the request had none, or the policy is a dry run.
 */
export function leavePlace(place: PlaceChoice): bool {
  if (place.chosen == NONE || place.dryRun) return false;
  place.chosen = NONE;
  return true;
}

/**
 * Counts the place of a pick. `writesState`: also writes the place into the filter state, for access logs. Returns an endpoint of
 * another place for the last retry, or NONE.
 */
export function countPlace(place: PlaceChoice, view: SnapshotView, random: Random, writesState: bool): u32 {
  if (place.policy == NONE) return NONE;
  const timeout = view.policyTimeout(place.policy);
  if (timeout > 0) writeTimeout(timeout);
  if (place.chosen == NONE) return NONE;
  const room = place.rooms.at(place.chosen);
  countPick(view, room.place, place.dryRun);
  if (place.overAll) count(PLACES_FULL);
  if (place.dryRun) {
    count(PLACES_DRY_RUN);
    return NONE;
  }
  sentTo(room, view);
  if (room.order != place.rooms.at(place.nearest).order) count(PLACES_SPILLED);
  if (writesState) setProperty(STATE_PLACE, view.placeName(room.place), view.placeNameLength(room.place));
  return endpointElsewhere(place, view, random);
}

function writeTimeout(milliseconds: u32): void {
  let at: u32 = MAX_DIGITS;
  for (let rest = milliseconds; rest > 0; rest /= 10) store<u8>(digits + --at, <u8>(0x30 + (rest % 10)));
  changeHeader(TIMEOUT, digits + at, MAX_DIGITS - at);
}
