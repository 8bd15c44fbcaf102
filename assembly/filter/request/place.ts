// The place of a request (places/): chosen before the endpoint, and counted. Each place has counters of its own, made when a
// snapshot first names it, under the place's name: proxy-wasm's metrics have no labels.
import { POLICY_DRY_RUN, POLICY_IS_IN_FLIGHT } from "../../../protocol/constants";
import { bytesOf } from "../../base/bytes";
import { textHash } from "../../base/hash";
import { Random } from "../../base/random";
import { COUNTER, defineMetric, incrementMetric, setProperty } from "../../host/calls";
import { choosePlace, elsewhere, nearest, overAll } from "../../places/choose";
import { keepTo, keepToAll } from "../../places/range";
import { roomAt, sentTo } from "../../places/rooms";
import { NONE, SnapshotView } from "../../snapshot/view";
import { count, PLACES_DRY_RUN, PLACES_FULL, PLACES_SPILLED } from "../../stats";
import { changeHeader } from "../headers/changes";

const TIMEOUT = bytesOf("x-envoy-upstream-rq-timeout-ms");
const STATE_PLACE = bytesOf("pilotfish.place");
/** Places that get counters of their own in this VM; those beyond share one. */
const MOST_COUNTED: u32 = 64;
// u64 hash of the name, u32 metric of its picks, u32 metric of the picks that it would get in a dry run
const counted: usize = memory.data(65 * 16, 8);
let counters: u32 = 0;
let others: u32 = NONE;

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
  countFor(view, room.place, dryRun);
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

/** On the tick: a place that is new gets its counters, so that they are there before its first request. */
export function defineCounters(view: SnapshotView): void {
  for (let place: u32 = 0; place < view.placeCount; place++) counterOf(view, place);
}

function countFor(view: SnapshotView, place: u32, dry: bool): void {
  incrementMetric(load<u32>(counterOf(view, place) + (dry ? 12 : 8)), 1);
}

function counterOf(view: SnapshotView, place: u32): usize {
  const hash = textHash(view.placeName(place), view.placeNameLength(place));
  for (let i: u32 = 0; i < counters; i++) if (load<u64>(counted + i * 16) == hash) return counted + i * 16;
  if (counters < MOST_COUNTED) {
    const name = String.UTF8.decodeUnsafe(view.placeName(place), view.placeNameLength(place));
    return define(counters++, hash, name);
  }
  if (others == NONE) {
    others = MOST_COUNTED;
    define(others, 0, "others");
  }
  return counted + others * 16;
}

function define(i: u32, hash: u64, name: string): usize {
  const at = counted + i * 16;
  store<u64>(at, hash);
  store<u32>(at, defineMetric(COUNTER, `pilotfish.place.${name}.picked`), 8);
  store<u32>(at, defineMetric(COUNTER, `pilotfish.place.${name}.would_pick`), 12);
  return at;
}

function writeTimeout(milliseconds: u32): void {
  let at: u32 = 16;
  for (let rest = milliseconds; rest > 0; rest /= 10) store<u8>(digits + --at, <u8>(0x30 + (rest % 10)));
  changeHeader(TIMEOUT, digits + at, 16 - at);
}
