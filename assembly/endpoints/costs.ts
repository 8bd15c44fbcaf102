// What work costs on each endpoint: Entry.costs (entry.ts). A sidecar learns these costs from the model servers' own counters, and
// pushes them with the snapshot. Before they are learned, every endpoint has the same usual costs.
import { SnapshotView } from "../snapshot/view";
import { entryOf } from "./entries";
import { Entry } from "./entry";

/** Uncached prompt tokens that an endpoint is assumed to prefill each second until its sidecar has learned the true rate. */
export const USUAL_RATE: f32 = 20000;
/** Bounds of the learned rate. */
const MIN_RATE: f32 = 10;
const MAX_RATE: f32 = 10000000;

/** Takes over the learned costs of a snapshot. */
export function followCosts(view: SnapshotView): void {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const costs = entryOf(i).costs;
    const rate = view.prefillRate(i);
    costs.rate = rate > 0 ? min(max(rate, MIN_RATE), MAX_RATE) : 0;
    costs.step = view.stepSeconds(i);
  }
}

/** Uncached prompt tokens that the endpoint prefills each second. */
export function rateOf(entry: Entry): f32 {
  const rate = entry.costs.rate;
  return rate > 0 ? rate : USUAL_RATE;
}
