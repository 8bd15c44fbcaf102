// Counters of each place. A counter's name has the place's name, because the metrics of proxy-wasm have no labels. The filter
// defines a place's counters when a snapshot first names the place.
import { textHash } from "../base/hash";
import { incrementMetric } from "../host/calls";
import { SnapshotView } from "../snapshot/view";
import { definePlaceCounter, PLACE_PICKED, PLACE_WOULD_PICK } from "../stats";

/** Places that get counters of their own in this VM. All further places share one record. */
const MAX_COUNTED: u32 = 64;

@unmanaged
class PlaceCounters {
  /** Hash of the place's name; 0 in the shared record. */
  place: u64 = 0;
  /** Id of the metric that counts picks. */
  picked: u32 = 0;
  /** Id of the metric that counts the picks of a dry run. */
  wouldPick: u32 = 0;
}

/** One record for each named place, then the shared record. */
const records: usize = memory.data((MAX_COUNTED + 1) * offsetof<PlaceCounters>(), 8);
let named: u32 = 0;
let hasShared: bool = false;

/** Defines the counters of new places, so that the counters exist before a place's first request. */
export function followPlaceNames(view: SnapshotView): void {
  for (let place: u32 = 0; place < view.placeCount; place++) countersOf(view, place);
}

/** Counts a pick in a place of the current snapshot. `dry`: the pick belongs to a dry run, so no request goes to the place. */
export function countPick(view: SnapshotView, place: u32, dry: bool): void {
  const counters = countersOf(view, place);
  incrementMetric(dry ? counters.wouldPick : counters.picked, 1);
}

function countersOf(view: SnapshotView, place: u32): PlaceCounters {
  const hash = textHash(view.placeName(place), view.placeNameLength(place));
  for (let i: u32 = 0; i < named; i++) if (recordAt(i).place == hash) return recordAt(i);
  if (named < MAX_COUNTED) {
    const name = String.UTF8.decodeUnsafe(view.placeName(place), view.placeNameLength(place));
    return define(recordAt(named++), hash, name);
  }
  const shared = recordAt(MAX_COUNTED);
  if (hasShared) return shared;
  hasShared = true;
  return define(shared, 0, "others");
}

function recordAt(i: u32): PlaceCounters {
  return changetype<PlaceCounters>(records + i * offsetof<PlaceCounters>());
}

function define(counters: PlaceCounters, hash: u64, name: string): PlaceCounters {
  counters.place = hash;
  counters.picked = definePlaceCounter(PLACE_PICKED, name);
  counters.wouldPick = definePlaceCounter(PLACE_WOULD_PICK, name);
  return counters;
}
