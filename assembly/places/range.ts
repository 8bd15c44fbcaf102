// A range of a model's links: the endpoints from which a pick must come. A link says that an endpoint serves a model. The links
// of one place lie beside each other (snapshot/group-by-place.ts), so a range is a place, or the whole model.
import { inFlightAt } from "../endpoints/in-flight";
import { SnapshotView } from "../snapshot/view";

@unmanaged
export class Range {
  /** Index of the first link, and number of links. */
  first: u32 = 0;
  count: u32 = 0;
  /** Limit of an endpoint's in-flight requests, for each pod that the endpoint stands for; 0: no limit. */
  maxInFlight: u32 = 0;

  /** Whether the limit allows one more request on the endpoint. */
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

/** The `count` links from `first` on. The record is valid until the next call. */
export function partOfModel(first: u32, count: u32, maxInFlight: u32): Range {
  part.first = first;
  part.count = count;
  part.maxInFlight = maxInFlight;
  return part;
}
