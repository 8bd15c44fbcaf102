// The place for a request. The nearest that has room takes it; what it does not take goes on to the next order:
//
//   for each order, nearest first:   taken with the largest room among its places, by the one that weight * room draws
//   nobody took it:                  the place with the lowest inFlight / (limit * ramp): everything is at its limit, and is
//                                    filled beyond it evenly
//
// Without a limit that is known, a place counts as if UNKNOWN_LIMIT requests a pod were its limit.
import { Random } from "../base/random";
import { NONE, SnapshotView } from "../snapshot/view";
import { forgetLook, lookAt, Room, reckonedAt, roomAt, roomCount } from "./rooms";

const UNKNOWN_LIMIT: f32 = 16;

/** Index of the nearest room that has anything ready, of the last choice; NONE: no place has. */
export let nearest: u32 = NONE;
/** No place of the last choice had room. */
export let overAll: bool = false;

/** Index of the room (rooms.ts) that takes the request; NONE: no place has an endpoint that is ready. */
export function choosePlace(view: SnapshotView, model: u32, tick: u64, random: Random): u32 {
  const chosen = chooseAmong(view, model, tick, random);
  if (!overAll) return chosen;
  // What seems full since the beginning of the tick may not be any more.
  forgetLook();
  return chooseAmong(view, model, tick, random);
}

function chooseAmong(view: SnapshotView, model: u32, tick: u64, random: Random): u32 {
  lookAt(view, model, tick);
  nearest = NONE;
  overAll = false;
  const count = roomCount();
  let i: u32 = 0;
  while (i < count) {
    let end = i;
    let best: f32 = 0;
    let sum: f32 = 0;
    for (; end < count && roomAt(end).order == roomAt(i).order; end++) {
      const room = reckonedAt(end);
      if (nearest == NONE && room.pods > 0) nearest = end;
      best = max(best, room.room);
      sum += <f32>room.weight * room.room;
    }
    if (sum > 0 && (best >= 1 || random.fraction() < best)) return drawn(i, end, sum * random.fraction());
    i = end;
  }
  return leastFull(count);
}

/** The room in which `part` of the weights' sum falls. */
function drawn(from: u32, end: u32, part: f32): u32 {
  let chosen = from;
  let left = part;
  for (let i = from; i < end; i++) {
    const share = <f32>roomAt(i).weight * roomAt(i).room;
    if (share <= 0) continue;
    chosen = i;
    left -= share;
    if (left < 0) break;
  }
  return chosen;
}

function leastFull(count: u32): u32 {
  let chosen = NONE;
  let least: f32 = Infinity;
  overAll = true;
  for (let i: u32 = 0; i < count; i++) {
    const room = reckonedAt(i);
    if (room.room > 0) overAll = false;
    if (room.pods == 0) continue;
    const fullness = fullnessOf(room);
    if (fullness >= least) continue;
    least = fullness;
    chosen = i;
  }
  return chosen;
}

function fullnessOf(room: Room): f32 {
  const limit = room.limit > 0 ? room.limit : UNKNOWN_LIMIT * <f32>room.pods;
  return room.inFlight / (limit * room.ramp);
}

/**
 * An endpoint that is ready in another place than the chosen one: where a request is retried when its own place is gone.
 * NONE: there is none, or a few draws found none.
 */
export function elsewhere(view: SnapshotView, chosen: u32, random: Random): u32 {
  for (let i: u32 = 0; i < roomCount(); i++) {
    const room = roomAt(i);
    if (i == chosen) continue;
    for (let draw = 0; draw < 4; draw++) {
      const endpoint = view.linkEndpoint(room.first + (random.next() % room.count));
      if (view.usable(endpoint)) return endpoint;
    }
  }
  return NONE;
}
