// Sorts the endpoints of each model by place, in this worker's own copy of a snapshot. The endpoints of a place are a range
// then, so that a pick inside a place costs what its own endpoints cost, not what all endpoints cost.
import { MAX_PLACES, MODEL_ENDPOINT_BYTES } from "../../protocol/constants";
import { NONE, SnapshotView } from "./view";

/** Least size of the scratch memory, so that small snapshots do not grow it step by step. */
const MIN_SCRATCH_RECORDS: u32 = 512;
let scratch: usize = 0;
let scratchBytes: u32 = 0;

/** By place, and last for endpoints without a place: u32 number of records, then u32 index of the next record to write. */
const NEXT_BYTES: i32 = (MAX_PLACES + 1) * sizeof<u32>();
const next: usize = memory.data(NEXT_BYTES, 4);

/** Endpoints of one place keep their order. False where models share records: nothing was moved then. */
export function groupByPlace(view: SnapshotView): bool {
  if (view.placeCount == 0) return false;
  let expected: u32 = 0;
  for (let model: u32 = 0; model < view.modelCount; model++) {
    if (view.modelEndpoints(model) > 0 && view.modelFirst(model) < expected) return false;
    expected = max(expected, view.modelFirst(model) + view.modelEndpoints(model));
  }
  for (let model: u32 = 0; model < view.modelCount; model++) groupModel(view, model);
  return true;
}

function groupModel(view: SnapshotView, model: u32): void {
  const first = view.modelFirst(model);
  const count = view.modelEndpoints(model);
  memory.fill(next, 0, NEXT_BYTES);
  for (let i: u32 = 0; i < count; i++) {
    const counter = counterOf(placeOf(view, first + i));
    store<u32>(counter, load<u32>(counter) + 1);
  }
  let start: u32 = 0;
  for (let place: u32 = 0; place <= view.placeCount; place++) {
    const records = load<u32>(counterOf(place));
    // All endpoints are of one place.
    if (records == count) return;
    store<u32>(counterOf(place), start);
    start += records;
  }
  reserve(count * view.linkStride);
  for (let i: u32 = 0; i < count; i++) {
    const counter = counterOf(placeOf(view, first + i));
    const to = load<u32>(counter);
    store<u32>(counter, to + 1);
    memory.copy(scratch + to * view.linkStride, record(view, first + i), view.linkStride);
  }
  memory.copy(record(view, first), scratch, count * view.linkStride);
}

function record(view: SnapshotView, link: u32): usize {
  return view.links + link * view.linkStride;
}

function counterOf(place: u32): usize {
  return next + place * sizeof<u32>();
}

/** Index of the endpoint's place; the number of places where it has none. */
function placeOf(view: SnapshotView, link: u32): u32 {
  const place = view.endpointPlace(view.linkEndpoint(link));
  return place == NONE ? view.placeCount : place;
}

function reserve(bytes: u32): void {
  if (bytes <= scratchBytes) return;
  if (scratch) heap.free(scratch);
  scratchBytes = max(bytes, MIN_SCRATCH_RECORDS * MODEL_ENDPOINT_BYTES);
  scratch = heap.alloc(scratchBytes);
}
