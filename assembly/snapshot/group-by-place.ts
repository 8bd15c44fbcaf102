// Sorts the endpoints of each model by place, in this worker's own copy of a snapshot. The endpoints of a place then form a range,
// so a pick inside a place reads only that place's endpoints.
import { MAX_PLACES, MODEL_ENDPOINT_BYTES } from "../../protocol/constants";
import { NONE, SnapshotView } from "./view";

/** Lowest size of the scratch memory, so that small snapshots do not make it grow step by step. */
const MIN_SCRATCH_RECORDS: u32 = 512;
let scratch: usize = 0;
let scratchBytes: u32 = 0;

/**
 * A u32 for each place, and a last u32 for endpoints without a place. groupModel() first counts records in it, and then keeps in
 * it the index of the next record to write.
 */
const NEXT_BYTES: i32 = (MAX_PLACES + 1) * sizeof<u32>();
const next: usize = memory.data(NEXT_BYTES, 4);

/** Sorts all models. Endpoints of one place keep their order. False: models share records, and nothing was moved. */
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
    // All endpoints belong to one place, so they are sorted.
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

/** Index of the place of a link's endpoint; the number of places if the endpoint has no place. */
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
