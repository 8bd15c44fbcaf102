// The part of a model's endpoints to which a pick is kept. The links of one place lie beside each other
// (snapshot/group-by-place.ts), so a range of links is a place, or the whole model.
import { inFlightAt } from "../endpoints/in-flight";
import { SnapshotView } from "../snapshot/view";

@unmanaged
export class Range {
  /** The first link, and how many follow from it on. */
  first: u32 = 0;
  count: u32 = 0;
  /** In-flight requests an endpoint may have for each pod that it stands for; 0: no limit. */
  maxInFlight: u32 = 0;

  /** Whether the limit lets one more request go to the endpoint. */
  admits(view: SnapshotView, endpoint: u32): bool {
    const limit = this.maxInFlight;
    return limit == 0 || inFlightAt(endpoint) < <f32>(limit * view.endpointWeight(endpoint));
  }
}

const whole = changetype<Range>(memory.data(offsetof<Range>(), 4));
const part = changetype<Range>(memory.data(offsetof<Range>(), 4));

/** All endpoints of a model. The record is valid until the next call. */
export function wholeModel(view: SnapshotView, model: u32): Range {
  whole.first = view.modelFirst(model);
  whole.count = view.modelEndpoints(model);
  whole.maxInFlight = 0;
  return whole;
}

/** `count` links from `first` on. The record is valid until the next call. */
export function partOfModel(first: u32, count: u32, maxInFlight: u32): Range {
  part.first = first;
  part.count = count;
  part.maxInFlight = maxInFlight;
  return part;
}
