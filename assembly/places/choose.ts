// The place for a request. The nearest place that has room takes the request; else the next order is asked:
//
//   for each order, nearest first:   taken with the probability of the largest room among its places, by a place that is drawn
//                                    in proportion to weight * room
//   no order took it:                the place with the lowest inFlight / (limit * ramp): all places are at their limits, and
//                                    are filled beyond them evenly
//
// Without a known limit, a place counts as if its limit were UNKNOWN_LIMIT requests for each pod.
import { POLICY_DRY_RUN, POLICY_IS_IN_FLIGHT } from "../../protocol/constants";
import { Random } from "../base/random";
import { NONE, SnapshotView } from "../snapshot/view";
import { partOfModel, Range, wholeModel } from "./range";
import { forgetRooms, Room, Rooms, roomsOf, workedOut } from "./rooms";

const UNKNOWN_LIMIT: f32 = 16;

@unmanaged
export class PlaceChoice {
  /** The model's policy; NONE: the model has none, and places do not count. */
  policy: u32 = 0;
  rooms: Rooms = changetype<Rooms>(0);
  /** Index of the room that takes the request; NONE: no place has a usable endpoint. */
  chosen: u32 = 0;
  /** Index of the nearest room that has a usable endpoint; NONE: no place has. */
  nearest: u32 = 0;
  /** No place had room. */
  overAll: bool = false;
  /** The policy only counts what it would choose. */
  dryRun: bool = false;
}

const choice = changetype<PlaceChoice>(memory.data(offsetof<PlaceChoice>(), 4));

/** The place for a request of a model, at the tick `now`, ns. The record is valid until the next call. */
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

/** The part of the model's endpoints to which the pick is kept. The record is valid until the next call. */
export function rangeOf(choice: PlaceChoice, view: SnapshotView, model: u32): Range {
  if (choice.chosen == NONE || choice.dryRun) return wholeModel(view, model);
  const room = choice.rooms.at(choice.chosen);
  const limited = view.policyMode(choice.policy) == POLICY_IS_IN_FLIGHT && !choice.overAll;
  return partOfModel(room.first, room.count, limited ? view.policyMostInFlight(choice.policy) : 0);
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

/** The room in which `part` of the sum of weight * room falls. */
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
 * A usable endpoint in another place than the chosen one, where a request is retried when its own place is gone. NONE: no other
 * place has one, or a few draws found none.
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
