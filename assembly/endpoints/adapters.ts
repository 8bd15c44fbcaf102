// Adapters on each endpoint: how many are active on the endpoint (Entry.adapters), and which adapters' requests were sent to
// the endpoint so lately that no scrape can show them. The cost of a request for an adapter is, in tokens:
//
//   cost = 0                                                    if the adapter is loaded, or was sent lately; else
//          rate * 1 s                                           for loading the adapter
//        + rate * duration * (active - slots + 1) / slots       for waiting for a slot, if slots are known and all are taken
//
// `rate` is the mean prefill rate of the candidates, in tokens a second.
// If slots are free, or the server does not report its slots, only loading counts.
// `duration` is the mean time from a request's first byte to its end, in seconds (durations.ts).
import {
  ADAPTER_LISTED,
  ADAPTER_RUNNING,
  ENDPOINT_MAX_LORA,
  MODEL_ENDPOINT_STATE,
  MODEL_IS_ADAPTER,
} from "../../protocol/constants";
import { mix } from "../base/hash";
import { SnapshotView } from "../snapshot/view";
import { usualDuration } from "./durations";
import { endpointCount, entryOf } from "./entries";
import { Entry } from "./entry";

/** A request that was sent this long ago, ns, shows in the endpoint's metrics. */
const LATELY: u64 = 2000000000;

/** An adapter that was sent to an endpoint. */
@unmanaged
class Sent {
  /** Hash of adapter and endpoint. */
  key: u64 = 0;
  /** When a request was sent, ns. */
  at: u64 = 0;
}

/** Records of adapters that were sent. If two adapters have the same slot, the newer record stays. */
const SENT_SLOTS: u32 = 1024;
const SENT_BYTES: u32 = offsetof<Sent>();
const sent: usize = memory.data(SENT_SLOTS * SENT_BYTES, 8);

/** Counts the adapters of a new snapshot. */
export function followAdapters(view: SnapshotView): void {
  for (let i: u32 = 0; i < endpointCount(); i++) {
    entryOf(i).adapters.active = 0;
    entryOf(i).adapters.waiting = 0;
  }
  for (let model: u32 = 0; model < view.modelCount; model++) {
    if (view.modelKind(model) != MODEL_IS_ADAPTER) continue;
    const first = view.modelFirst(model);
    const end = first + view.modelEndpoints(model);
    for (let link = first; link < end; link++) {
      const state = linkState(view, link);
      if (state == ADAPTER_LISTED) continue;
      const counts = entryOf(view.linkEndpoint(link)).adapters;
      if (state == ADAPTER_RUNNING) counts.active++;
      else counts.waiting++;
    }
  }
}

/** The ADAPTER_ state of a link between a model and an endpoint. */
export function linkState(view: SnapshotView, link: u32): u32 {
  return load<u8>(view.links + link * view.linkStride, MODEL_ENDPOINT_STATE);
}

/** Number of adapters that can be active at once on the endpoint; 0: not known. */
export function adapterSlots(view: SnapshotView, endpoint: u32): u32 {
  return load<u16>(view.endpoint(endpoint), ENDPOINT_MAX_LORA);
}

/** Records that a request for the adapter with the hash `model` was sent to the endpoint. */
export function adapterSent(model: u64, entry: Entry, now: u64): void {
  const key = mix(model ^ entry.hash) | 1;
  const record = sentOf(key);
  record.key = key;
  record.at = now;
}

function latelySent(model: u64, entry: Entry, now: u64): bool {
  const key = mix(model ^ entry.hash) | 1;
  const record = sentOf(key);
  return record.key == key && now < record.at + LATELY;
}

function sentOf(key: u64): Sent {
  return changetype<Sent>(sent + (<u32>(key >> 32) & (SENT_SLOTS - 1)) * SENT_BYTES);
}

/** The cost in tokens, by the formula at the top. `model`: the adapter's hash. */
export function adapterCost(view: SnapshotView, link: u32, entry: Entry, model: u64, rate: f32, now: u64): f32 {
  if (linkState(view, link) != ADAPTER_LISTED || latelySent(model, entry, now)) return 0;
  const slots = adapterSlots(view, view.linkEndpoint(link));
  const active = entry.adapters.active;
  if (slots == 0 || active < slots) return rate;
  return rate + (rate * usualDuration() * <f32>(active - slots + 1)) / <f32>slots;
}
