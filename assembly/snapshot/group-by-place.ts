// Puts the endpoints of each model into the order of their places, in this worker's own copy of a snapshot: a place is a
// range then, and a pick within it costs what its own endpoints cost, not those of the whole world.
import { MODEL_ENDPOINT_BYTES } from "../../protocol/constants";
import { NONE, SnapshotView } from "./view";

let scratch: usize = 0;
let scratchBytes: u32 = 0;
/** u32 per place, and one for none: where its next record goes. */
const next: usize = memory.data(33 * 4, 4);

/** Stable: within a place the order stays. False: models share records, so that none can be moved. */
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
  memory.fill(next, 0, 33 * 4);
  for (let i: u32 = 0; i < count; i++) {
    const slot = next + placeSlot(view, first + i) * 4;
    store<u32>(slot, load<u32>(slot) + 1);
  }
  let start: u32 = 0;
  for (let place: u32 = 0; place <= view.placeCount; place++) {
    const records = load<u32>(next + place * 4);
    if (records == count) return;
    store<u32>(next + place * 4, start);
    start += records;
  }
  reserve(count * view.linkStride);
  for (let i: u32 = 0; i < count; i++) {
    const slot = next + placeSlot(view, first + i) * 4;
    const to = load<u32>(slot);
    store<u32>(slot, to + 1);
    memory.copy(scratch + to * view.linkStride, record(view, first + i), view.linkStride);
  }
  memory.copy(record(view, first), scratch, count * view.linkStride);
}

function record(view: SnapshotView, link: u32): usize {
  return view.links + link * view.linkStride;
}

/** Index of the place; those without one come last. */
function placeSlot(view: SnapshotView, link: u32): u32 {
  const place = view.endpointPlace(view.linkEndpoint(link));
  return place == NONE ? view.placeCount : place;
}

function reserve(bytes: u32): void {
  if (bytes <= scratchBytes) return;
  if (scratch) heap.free(scratch);
  scratchBytes = max(bytes, 512 * MODEL_ENDPOINT_BYTES);
  scratch = heap.alloc(scratchBytes);
}
