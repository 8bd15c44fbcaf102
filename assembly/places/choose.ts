// Chooses the place for a request. Places of the lowest order are nearest. The nearest order that has room takes the request:
//
//   for each order, nearest first:   the order takes the request with the probability of the largest room among its places.
//                                    One of its places is drawn in proportion to weight * room
//   if no order took the request:    the place with the lowest inFlight / (limit * ramp) takes it. All places are at their
//                                    limits, and fill beyond them evenly
//
// If a place's limit is not known, the limit counts as UNKNOWN_LIMIT requests for each pod.
import { POLICY_DRY_RUN, POLICY_IS_IN_FLIGHT } from "../../protocol/constants";
import { Random } from "../base/random";
import { NONE, SnapshotView } from "../snapshot/view";
import { partOfModel, Range, wholeModel } from "./range";
import { forgetRooms, Room, Rooms, roomsOf, workedOut } from "./rooms";

const UNKNOWN_LIMIT: f32 = 16;

@unmanaged
export class PlaceChoice {
  /** The model's policy; NONE: the model has no policy, and places do not matter. */
  policy: u32 = 0;
  rooms: Rooms = changetype<Rooms>(0);
  /** Index of the room that takes the request; NONE: no place has a usable endpoint. */
  chosen: u32 = 0;
  /** Index of the nearest room that has a usable endpoint; NONE: no room has one. */
  nearest: u32 = 0;
  /** Whether no place had room. */
  overAll: bool = false;
  /** Whether the policy only counts its choice, and the pick may use all places. */
  dryRun: bool = false;
}

const choice = changetype<PlaceChoice>(memory.data(offsetof<PlaceChoice>(), 4));

/** Chooses the place for a request of a model, at the tick `now`, ns. The record is valid until the next call. */
export function choosePlace(view: SnapshotView, model: u32, now: u64, random: Random): PlaceChoice {
  choice.policy = view.modelPolicy(model);
  choice.chosen = NONE;
  if (choice.policy == NONE || view.placeCount == 0) return choice;
  choice.dryRun = (view.policyFlags(choice.policy) & POLICY_DRY_RUN) != 0;
  choice.rooms = roomsOf(view, model);
  choose(view, now, random);
  if (!choice.overAll) return choice;
  // A place that seemed full at the beginning of the tick may have room by now.
  forgetRooms(choice.rooms);
  choose(view, now, random);
  return choice;
}

/** The range of the model's endpoints from which the pick must come. The record is valid until the next call. */
export function rangeOf(choice: PlaceChoice, view: SnapshotView, model: u32): Range {
  if (choice.chosen == NONE || choice.dryRun) return wholeModel(view, model);
  const room = choice.rooms.at(choice.chosen);
  const limited = view.policyMode(choice.policy) == POLICY_IS_IN_FLIGHT && !choice.overAll;
  return partOfModel(room.first, room.count, limited ? view.policyMaxInFlight(choice.policy) : 0);
}

function choose(view: SnapshotView, now: u64, random: Random): void {
  const rooms = choice.rooms;
  choice.nearest = NONE;
  choice.overAll = false;
  const count = rooms.count;
  let i: u32 = 0;
  while (i < count) {
    let end = i;
    let best: f32 = 0;
    let sum: f32 = 0;
    for (; end < count && rooms.at(end).order == rooms.at(i).order; end++) {
      const room = workedOut(rooms, end, view, now);
      if (choice.nearest == NONE && room.pods > 0) choice.nearest = end;
      best = max(best, room.room);
      sum += <f32>room.weight * room.room;
    }
    if (sum > 0 && (best >= 1 || random.fraction() < best)) {
      choice.chosen = drawn(rooms, i, end, sum * random.fraction());
      return;
    }
    i = end;
  }
  chooseLeastFull(view, now);
}

/** Index of the room in which `part` falls, if each room takes weight * room of the sum. */
function drawn(rooms: Rooms, from: u32, end: u32, part: f32): u32 {
  let chosen = from;
  let left = part;
  for (let i = from; i < end; i++) {
    const share = <f32>rooms.at(i).weight * rooms.at(i).room;
    if (share <= 0) continue;
    chosen = i;
    left -= share;
    if (left < 0) break;
  }
  return chosen;
}

function chooseLeastFull(view: SnapshotView, now: u64): void {
  let least: f32 = Infinity;
  choice.chosen = NONE;
  choice.overAll = true;
  for (let i: u32 = 0; i < choice.rooms.count; i++) {
    const room = workedOut(choice.rooms, i, view, now);
    if (room.room > 0) choice.overAll = false;
    if (room.pods == 0) continue;
    const fullness = fullnessOf(room);
    if (fullness >= least) continue;
    least = fullness;
    choice.chosen = i;
  }
}

function fullnessOf(room: Room): f32 {
  const limit = room.limit > 0 ? room.limit : UNKNOWN_LIMIT * <f32>room.pods;
  return room.inFlight / (limit * room.ramp);
}

/**
 * A usable endpoint outside the chosen place. Envoy retries a request there if the chosen place is gone. NONE: no other place has
 * a usable endpoint, or the draws found none.
 */
export function endpointElsewhere(choice: PlaceChoice, view: SnapshotView, random: Random): u32 {
  for (let i: u32 = 0; i < choice.rooms.count; i++) {
    const room = choice.rooms.at(i);
    if (i == choice.chosen) continue;
    for (let draw = 0; draw < 4; draw++) {
      const endpoint = view.linkEndpoint(room.first + (random.next() % room.count));
      if (view.usable(endpoint)) return endpoint;
    }
  }
  return NONE;
}
