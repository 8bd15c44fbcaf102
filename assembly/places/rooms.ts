// How much room each place has for a model's requests: reckoned when the first request of a tick asks for that place, then kept
// for the tick. Places that no request asks for cost nothing.
//
//   limit = mode utilization: target * pods / perRequest (learned.ts)      mode in-flight: most * pods      mode order: none
//   room  = ramp * how willingly the place takes one more request, 0...1
//             utilization: 1 up to 5 % below the limit, falling evenly to 0 at 5 % above it: no cliff, and nothing that swings,
//             because what is compared are requests in flight, which are known now, and not a gauge that is as old as a scrape
//             in-flight: 1 below the limit, 0 at it
//   ramp  = rises evenly from 0 to 1 in RAMP after the place was lost or was not known
import { POLICY_IS_IN_FLIGHT, POLICY_IS_UTILIZATION, UNKNOWN } from "../../protocol/constants";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { workersBeside } from "../endpoints/in-flight";
import { NONE, SnapshotView } from "../snapshot/view";
import { Learned, learn, learnedOf } from "./learned";
import { inFlightAt } from "./range";

const RAMP_NANOSECONDS: u64 = 10000000000;
/** What a place that is back gets at once: enough to learn from. */
const MIN_RAMP: f32 = 0.02;
const BAND: f32 = 0.05;

@unmanaged
export class Room {
  /** Tick, ns, in which it was reckoned last; 0: not yet. */
  reckonedAt: u64 = 0;
  policy: u32 = 0;
  place: u32 = 0;
  order: u32 = 0;
  weight: u32 = 0;
  /** Its endpoints: a range of the model's. */
  first: u32 = 0;
  count: u32 = 0;
  /** Pods that can be sent requests; 0: none. */
  pods: u32 = 0;
  inFlight: f32 = 0;
  /** Requests; 0: none is known. */
  limit: f32 = 0;
  /** Mean KV usage; -1: not known. */
  utilization: f32 = 0;
  ramp: f32 = 0;
  room: f32 = 0;
}

const ROOM_BYTES: u32 = offsetof<Room>();
const MOST: u32 = 32;
const HEADER: u32 = 24;
const SLOT_BYTES: u32 = HEADER + MOST * ROOM_BYTES;
/** Models whose rooms are kept; two that share a slot only reckon more often. */
const SLOTS: u32 = 32;
/** A larger place is looked through every LARGE_NANOSECONDS only; what is sent to it meanwhile is counted all the same. */
const LARGE: u32 = 128;
const LARGE_NANOSECONDS: u64 = 100000000;
// slot: u64 version, u64 0, u32 model, u32 rooms, then the rooms by order
let slots: usize = 0;
let slot: usize = 0;
let tick: u64 = 0;
let view: SnapshotView = changetype<SnapshotView>(0);

export function roomCount(): u32 {
  return load<u32>(slot, 20);
}
/** A room of the model that was looked at last, the nearest first; it may not be reckoned yet. */
export function roomAt(i: u32): Room {
  return changetype<Room>(slot + HEADER + i * ROOM_BYTES);
}
/** The same, reckoned. */
export function reckonedAt(i: u32): Room {
  const room = roomAt(i);
  const kept: u64 = room.count > LARGE ? LARGE_NANOSECONDS : 1;
  if (room.reckonedAt == 0 || tick < room.reckonedAt || tick - room.reckonedAt >= kept) reckon(room);
  return room;
}

/** Looks at a model that has a policy. `now`: ns, the same within one tick. */
export function lookAt(snapshot: SnapshotView, model: u32, now: u64): void {
  if (!slots) {
    slots = heap.alloc(SLOTS * SLOT_BYTES);
    memory.fill(slots, 0, SLOTS * SLOT_BYTES);
  }
  tick = now;
  view = snapshot;
  slot = slots + (model % SLOTS) * SLOT_BYTES;
  if (load<u64>(slot) == view.version && load<u32>(slot, 16) == model) return;
  store<u64>(slot, view.version);
  store<u32>(slot, model, 16);
  store<u32>(slot, 0, 20);
  const end = view.modelFirst(model) + view.modelEndpoints(model);
  for (let link = view.modelFirst(model); link < end; ) {
    const place = view.endpointPlace(view.linkEndpoint(link));
    // What has no place is in none, and is not used while there are places; it comes last (snapshot/group-by-place.ts).
    if (place == NONE) return;
    const next = endOf(place, link, end);
    addRoom(view.modelPolicy(model), place, link, next - link);
    link = next;
  }
}

/** The end of a place's range: a place's links lie together, and in the order of the places (snapshot/group-by-place.ts). */
function endOf(place: u32, from: u32, to: u32): u32 {
  let inside = from;
  let outside = to;
  while (outside - inside > 1) {
    const middle = inside + ((outside - inside) >> 1);
    if (view.endpointPlace(view.linkEndpoint(middle)) == place) inside = middle;
    else outside = middle;
  }
  return outside;
}

/** Makes the next look at the rooms of the model that was looked at last reckon anew: requests may have ended since. */
export function forgetLook(): void {
  for (let i: u32 = 0; i < roomCount(); i++) roomAt(i).reckonedAt = 0;
}

/** A request was sent to a place: until it is reckoned again, the other workers are taken to do the same. */
export function sentTo(room: Room): void {
  room.inFlight += <f32>(workersBeside() + 1);
  setRoom(room);
}

function addRoom(policy: u32, place: u32, first: u32, links: u32): void {
  let i = roomCount();
  store<u32>(slot, i + 1, 20);
  const order = view.placeOrder(place);
  for (; i > 0 && roomAt(i - 1).order > order; i--) {
    memory.copy(changetype<usize>(roomAt(i)), changetype<usize>(roomAt(i - 1)), ROOM_BYTES);
  }
  const room = roomAt(i);
  memory.fill(changetype<usize>(room), 0, ROOM_BYTES);
  room.policy = policy;
  room.place = place;
  room.order = order;
  room.weight = view.placeWeight(place);
  room.first = first;
  room.count = links;
}

function reckon(room: Room): void {
  const policy = room.policy;
  const learned = learnedOf(policy, room.place);
  room.reckonedAt = tick;
  fill(room, learned, view.policyFlags(policy));
  room.ramp = ramp(learned, room.pods);
  const mode = view.policyMode(policy);
  room.limit = 0;
  if (mode == POLICY_IS_IN_FLIGHT) room.limit = <f32>view.policyMostInFlight(policy) * <f32>room.pods;
  else if (mode == POLICY_IS_UTILIZATION && learned.perRequest > 0) {
    room.limit = (view.policyTarget(policy) * <f32>room.pods) / learned.perRequest;
  }
  setRoom(room);
}

/** Sums over the place's endpoints; what is new in them is learned. */
function fill(room: Room, learned: Learned, flags: u32): void {
  let kv: f32 = 0;
  let told: f32 = 0;
  let held: f32 = 0;
  room.pods = 0;
  room.inFlight = 0;
  const trouble = anyTrouble(tick);
  for (let link = room.first; link < room.first + room.count; link++) {
    const endpoint = view.linkEndpoint(link);
    // A place whose pods all failed is lost before a snapshot says so.
    if (!view.usable(endpoint) || (trouble && isEjected(entryOf(endpoint), tick))) continue;
    const pods = view.endpointWeight(endpoint);
    room.pods += pods;
    room.inFlight += inFlightAt(endpoint);
    const usage = view.kvUsage(endpoint);
    const waiting = view.waiting(endpoint);
    const running = view.running(endpoint);
    if (usage != usage || waiting == UNKNOWN || running == UNKNOWN) continue;
    kv += usage * <f32>pods;
    told += <f32>pods;
    held += <f32>waiting + <f32>running;
  }
  room.utilization = told > 0 ? kv / told : -1;
  if (learned.version == view.version) return;
  const age = view.version > learned.version ? <f32>(view.version - learned.version) / 1000 : 0;
  learned.version = view.version;
  learn(learned, kv, held, flags, age);
}

function ramp(learned: Learned, pods: u32): f32 {
  if (pods == 0) {
    learned.absent = true;
    return 0;
  }
  if (learned.absent) {
    learned.absent = false;
    learned.backSince = tick;
  }
  if (learned.backSince == 0) return 1;
  const since = tick > learned.backSince ? tick - learned.backSince : 0;
  if (since < RAMP_NANOSECONDS) return max(<f32>since / <f32>RAMP_NANOSECONDS, MIN_RAMP);
  learned.backSince = 0;
  return 1;
}

function setRoom(room: Room): void {
  room.room = room.pods == 0 ? 0 : room.ramp * willing(view.policyMode(room.policy), room.inFlight, room.limit);
}

function willing(mode: u32, inFlight: f32, limit: f32): f32 {
  if (limit == 0) return 1;
  if (mode == POLICY_IS_IN_FLIGHT) return inFlight < limit ? 1 : 0;
  const band = max<f32>(BAND * limit, 1);
  return min<f32>(max<f32>((limit + band - inFlight) / (2 * band), 0), 1);
}
