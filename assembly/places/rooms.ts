// How much room each place has for a model's requests. A place's room is calculated when the first request of a tick considers the
// place, and is kept for the tick. A place that no request considers costs nothing.
//
//   limit   = mode utilization: target * pods / perRequest (learned.ts)      mode in-flight: maximum * pods      mode order: none
//   room    = ramp * willing
//   willing = mode utilization: 1 up to 5 % below the limit, falling evenly to 0 at 5 % above the limit
//             mode in-flight: 1 below the limit, 0 at the limit      mode order, or no known limit: 1
//   ramp    = rises evenly from 0 to 1 in RAMP_NANOSECONDS after the place came back or was added
//
// In mode utilization the even fall avoids oscillation. In-flight requests are compared with the limit because they are known
// now; a gauge would be as old as its scrape.
import { MAX_PLACES, POLICY_IS_IN_FLIGHT, POLICY_IS_UTILIZATION, UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { inFlightAt } from "../endpoints/in-flight";
import { workersBeside } from "../endpoints/other-workers";
import { NONE, SnapshotView } from "../snapshot/view";
import { Learned, learn, learnedOf } from "./learned";

const RAMP_NANOSECONDS: u64 = 10000000000;
/** Ramp with which a place begins: enough requests to learn from. */
const MIN_RAMP: f32 = 0.02;
const BAND: f32 = 0.05;

@unmanaged
export class Room {
  /** Tick, ns, in which the room was last calculated; 0: never. */
  workedOutAt: u64 = 0;
  policy: u32 = 0;
  place: u32 = 0;
  order: u32 = 0;
  weight: u32 = 0;
  /** The place's endpoints, as a range of the model's links. */
  first: u32 = 0;
  count: u32 = 0;
  /** Number of pods that may get requests. */
  pods: u32 = 0;
  inFlight: f32 = 0;
  /** Limit of the place's in-flight requests; 0: no limit is known. */
  limit: f32 = 0;
  /** Mean KV-cache usage; -1: not known. */
  utilization: f32 = 0;
  ramp: f32 = 0;
  room: f32 = 0;
}

/** The rooms of one model. The nearest place comes first. */
@unmanaged
export class Rooms {
  /** Version of the snapshot that the rooms belong to. */
  version: u64 = 0;
  model: u32 = 0;
  count: u32 = 0;

  /** Room `i`, which may not be calculated yet. */
  at(i: u32): Room {
    return changetype<Room>(changetype<usize>(this) + ROOMS_AT + i * ROOM_BYTES);
  }
}

const ROOM_BYTES: u32 = (<u32>offsetof<Room>() + 7) & ~7;
const ROOMS_AT: u32 = (<u32>offsetof<Rooms>() + 7) & ~7;
const ROOMS_BYTES: u32 = ROOMS_AT + MAX_PLACES * ROOM_BYTES;
/** Number of models whose rooms are kept. If two models share a slot, their rooms are only calculated more often. */
const SLOTS: u32 = 32;
/** The room of a place with more links than this is calculated only every LARGE_NANOSECONDS. sentTo() still counts requests. */
const LARGE: u32 = 128;
const LARGE_NANOSECONDS: u64 = 100000000;

/** The rooms of SLOTS models. */
let slots: usize = 0;

/** The rooms of a model that has a policy. */
export function roomsOf(view: SnapshotView, model: u32): Rooms {
  if (!slots) {
    slots = heap.alloc(SLOTS * ROOMS_BYTES);
    memory.fill(slots, 0, SLOTS * ROOMS_BYTES);
  }
  const rooms = changetype<Rooms>(slots + (model % SLOTS) * ROOMS_BYTES);
  if (rooms.version == view.version && rooms.model == model) return rooms;
  rooms.version = view.version;
  rooms.model = model;
  rooms.count = 0;
  const end = view.modelFirst(model) + view.modelEndpoints(model);
  for (let link = view.modelFirst(model); link < end; ) {
    const place = view.endpointPlace(view.linkEndpoint(link));
    // Endpoints without a place come last (snapshot/group-by-place.ts). They are not used while the snapshot has places.
    if (place == NONE) break;
    const next = endOf(view, place, link, end);
    addRoom(rooms, view, view.modelPolicy(model), place, link, next - link);
    link = next;
  }
  return rooms;
}

/** Room `i`, calculated for the tick `now`, ns. */
export function workedOut(rooms: Rooms, i: u32, view: SnapshotView, now: u64): Room {
  const room = rooms.at(i);
  const kept: u64 = room.count > LARGE ? LARGE_NANOSECONDS : 1;
  if (room.workedOutAt == 0 || now < room.workedOutAt || now - room.workedOutAt >= kept) workOut(room, view, now);
  return room;
}

/** Makes all rooms be calculated again at their next use, because requests may have ended since. */
export function forgetRooms(rooms: Rooms): void {
  for (let i: u32 = 0; i < rooms.count; i++) rooms.at(i).workedOutAt = 0;
}

/** Counts a request that was sent to a place. Each other worker is assumed to have sent one too, until the next calculation. */
export function sentTo(room: Room, view: SnapshotView): void {
  room.inFlight += <f32>(workersBeside() + 1);
  setRoom(room, view);
}

/** Index of the link behind a place's last link. A place's links lie together (snapshot/group-by-place.ts). */
function endOf(view: SnapshotView, place: u32, from: u32, to: u32): u32 {
  let inside = from;
  let outside = to;
  while (outside - inside > 1) {
    const middle = inside + ((outside - inside) >> 1);
    if (view.endpointPlace(view.linkEndpoint(middle)) == place) inside = middle;
    else outside = middle;
  }
  return outside;
}

/** Inserts a room, and keeps the rooms sorted by order. */
function addRoom(rooms: Rooms, view: SnapshotView, policy: u32, place: u32, first: u32, links: u32): void {
  let i = rooms.count++;
  const order = view.placeOrder(place);
  for (; i > 0 && rooms.at(i - 1).order > order; i--) {
    memory.copy(changetype<usize>(rooms.at(i)), changetype<usize>(rooms.at(i - 1)), ROOM_BYTES);
  }
  const room = rooms.at(i);
  memory.fill(changetype<usize>(room), 0, ROOM_BYTES);
  room.policy = policy;
  room.place = place;
  room.order = order;
  room.weight = view.placeWeight(place);
  room.first = first;
  room.count = links;
}

function workOut(room: Room, view: SnapshotView, now: u64): void {
  const policy = room.policy;
  const learned = learnedOf(policy, room.place);
  room.workedOutAt = now;
  addUp(room, view, learned, view.policyFlags(policy), now);
  room.ramp = ramp(learned, room.pods, now);
  const mode = view.policyMode(policy);
  room.limit = 0;
  if (mode == POLICY_IS_IN_FLIGHT) room.limit = <f32>view.policyMaxInFlight(policy) * <f32>room.pods;
  else if (mode == POLICY_IS_UTILIZATION && learned.perRequest > 0) {
    room.limit = (view.policyTarget(policy) * <f32>room.pods) / learned.perRequest;
  }
  setRoom(room, view);
}

/** Sums pods, requests and KV usage over the place's endpoints. Learns from the sums if the snapshot is new. */
function addUp(room: Room, view: SnapshotView, learned: Learned, flags: u32, now: u64): void {
  let kv: f32 = 0;
  let reporting: f32 = 0;
  let requests: f32 = 0;
  room.pods = 0;
  room.inFlight = 0;
  const trouble = anyTrouble(now);
  for (let link = room.first; link < room.first + room.count; link++) {
    const endpoint = view.linkEndpoint(link);
    // If all endpoints of a place are ejected, the place is lost before a snapshot shows it.
    if (!view.usable(endpoint) || (trouble && isEjected(entryOf(endpoint), now))) continue;
    const pods = view.endpointWeight(endpoint);
    room.pods += pods;
    room.inFlight += inFlightAt(endpoint);
    const usage = view.kvUsage(endpoint);
    const waiting = view.waiting(endpoint);
    const running = view.running(endpoint);
    if (usage != usage || waiting == UNKNOWN || running == UNKNOWN) continue;
    kv += usage * <f32>pods;
    reporting += <f32>pods;
    requests += <f32>waiting + <f32>running;
  }
  room.utilization = reporting > 0 ? kv / reporting : -1;
  if (learned.version == view.version) return;
  const age = view.version > learned.version ? <f32>(view.version - learned.version) / 1000 : 0;
  learned.version = view.version;
  learn(learned, kv, requests, flags, age);
}

function ramp(learned: Learned, pods: u32, now: u64): f32 {
  if (pods == 0) {
    learned.absent = true;
    return 0;
  }
  if (learned.absent) {
    learned.absent = false;
    learned.backSince = now;
  }
  if (learned.backSince == 0) return 1;
  const since = now > learned.backSince ? now - learned.backSince : 0;
  if (since < RAMP_NANOSECONDS) return max(<f32>since / <f32>RAMP_NANOSECONDS, MIN_RAMP);
  learned.backSince = 0;
  return 1;
}

function setRoom(room: Room, view: SnapshotView): void {
  room.room = room.pods == 0 ? 0 : room.ramp * willing(view.policyMode(room.policy), room.inFlight, room.limit);
}

function willing(mode: u32, inFlight: f32, limit: f32): f32 {
  if (limit == 0) return 1;
  if (mode == POLICY_IS_IN_FLIGHT) return inFlight < limit ? 1 : 0;
  const band = max<f32>(BAND * limit, 1);
  return min<f32>(max<f32>((limit + band - inFlight) / (2 * band), 0), 1);
}
