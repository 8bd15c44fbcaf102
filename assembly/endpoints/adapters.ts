// Adapters on each endpoint: how many are active there, and which were sent there so lately that no scrape can show it.
//
//   cost = RATE * 1 s                                           not loaded there, not lately sent there
//        + RATE * duration * (active - most + 1) / most         and all slots are taken: it waits for one to come free
//
// `duration` is how long requests last from their first byte on, averaged over this worker's.
import {
  ADAPTER_LISTED,
  ADAPTER_RUNNING,
  ENDPOINT_MAX_LORA,
  MODEL_ENDPOINT_STATE,
  MODEL_IS_ADAPTER,
} from "../../protocol/constants";
import { mix } from "../base/hash";
import { SnapshotView } from "../snapshot/view";
import { Entry, endpointCount, entryOf } from "./entries";
import { RATE } from "./waiting-tokens";

/** What was sent to an endpoint this long ago has reached its metrics. */
const LATELY: u64 = 2000000000;
const PLACES: u32 = 1024;
/** u64 key, u64 when: of two that meet in one place the newer one stays. */
const recent: usize = memory.data(16384, 8);

const FIRST_GUESS: f32 = 2;
const RATE_OF_LEARNING: f32 = 0.02;
let duration: f32 = FIRST_GUESS;

/** A request lasted this long from its first byte to its end. */
export function learnDuration(seconds: f32): void {
  duration += RATE_OF_LEARNING * (seconds - duration);
}

/** Counts the adapters of a new snapshot. */
export function followAdapters(view: SnapshotView): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    entryOf(i).activeAdapters = 0;
    entryOf(i).waitingAdapters = 0;
  }
  for (let model: u32 = 0; model < view.modelCount; model++) {
    if (view.modelKind(model) != MODEL_IS_ADAPTER) continue;
    const first = view.modelFirst(model);
    const end = first + view.modelEndpoints(model);
    for (let link = first; link < end; link++) {
      const state = linkState(view, link);
      if (state == ADAPTER_LISTED) continue;
      const entry = entryOf(view.linkEndpoint(link));
      if (state == ADAPTER_RUNNING) entry.activeAdapters++;
      else entry.waitingAdapters++;
    }
  }
}

export function linkState(view: SnapshotView, link: u32): u32 {
  return load<u8>(view.links + link * view.linkStride, MODEL_ENDPOINT_STATE);
}

/** Adapters that can be active at once; 0 when that is not known. */
export function maxAdapters(view: SnapshotView, endpoint: u32): u32 {
  return load<u16>(view.endpoint(endpoint), ENDPOINT_MAX_LORA);
}

/** A request for the adapter with this hash was sent to the endpoint. */
export function adapterSent(model: u64, entry: Entry, now: u64): void {
  const key = mix(model ^ entry.hash) | 1;
  const place = recent + (<u32>(key >> 32) & (PLACES - 1)) * 16;
  store<u64>(place, key);
  store<u64>(place, now, 8);
}

export function latelySent(model: u64, entry: Entry, now: u64): bool {
  const key = mix(model ^ entry.hash) | 1;
  const place = recent + (<u32>(key >> 32) & (PLACES - 1)) * 16;
  return load<u64>(place) == key && now < load<u64>(place, 8) + LATELY;
}

/** In tokens, see above. `model`: the adapter's hash. */
export function adapterCost(view: SnapshotView, link: u32, entry: Entry, model: u64, now: u64): f32 {
  if (linkState(view, link) != ADAPTER_LISTED || latelySent(model, entry, now)) return 0;
  const most = maxAdapters(view, view.linkEndpoint(link));
  const active = entry.activeAdapters;
  if (most == 0 || active < most) return RATE;
  return RATE + (RATE * duration * <f32>(active - most + 1)) / <f32>most;
}
