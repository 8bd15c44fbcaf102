// What a worker learns about a place under a policy: the share of a pod's KV cache that a request uses, and since when the place
// is back. This knowledge outlives snapshots.
//
//   perRequest = sum of the KV usage of the place's pods / requests on these pods, both from the same scrapes
//
// So target / perRequest is the number of requests with which a pod reaches its target. At the target this is exact, even if
// memory does not grow in proportion to requests. perRequest rises four times as fast as it falls: new requests use little
// memory, and a quick fall would let too many requests in.
import { POLICY_SHORT } from "../../protocol/constants";
import { mix, textHash } from "../base/hash";
import { SnapshotView } from "../snapshot/view";

/** Time constant with which perRequest falls. It rises with a quarter of this constant. */
const LONG_MILLISECONDS: f32 = 4000;
const SHORT_MILLISECONDS: f32 = 1000;

@unmanaged
export class Learned {
  /** Hash of policy and place. */
  key: u64 = 0;
  /** Version of the last snapshot that was learned from. */
  version: u64 = 0;
  /** When the place came back, ns. Its ramp (rooms.ts) begins then. 0: the ramp is over. */
  backSince: u64 = 0;
  /** Share of one pod's KV cache that a request uses; 0: not known yet. */
  perRequest: f32 = 0;
  /** Whether no endpoint of the place was usable when its room was last calculated. */
  absent: bool = false;
}

const LEARNED_BYTES: u32 = offsetof<Learned>();

/** A record for each policy and place of the current snapshot; `lists` is the hash of their names. */
let table: usize = 0;
let places: u32 = 0;
let records: u32 = 0;
let lists: u64 = 0;

/** Makes the records follow a snapshot's policies and places. A place that is added to known places begins with a ramp. */
export function followPlaces(view: SnapshotView, now: u64): void {
  const hash = listsOf(view);
  if (hash == lists) return;
  lists = hash;
  const old = table;
  const oldRecords = records;
  places = view.placeCount;
  records = view.policyCount * places;
  table = records == 0 ? 0 : heap.alloc(records * LEARNED_BYTES);
  if (records) memory.fill(table, 0, records * LEARNED_BYTES);
  for (let policy: u32 = 0; policy < view.policyCount; policy++) {
    const policyHash = textHash(view.policyName(policy), view.policyNameLength(policy));
    for (let place: u32 = 0; place < places; place++) {
      const learned = learnedOf(policy, place);
      learned.key = keyOf(view, policyHash, place);
      const known = find(old, oldRecords, learned.key);
      if (known) memory.copy(changetype<usize>(learned), known, LEARNED_BYTES);
      else if (oldRecords > 0) learned.backSince = now;
    }
  }
  if (old) heap.free(old);
}

export function learnedOf(policy: u32, place: u32): Learned {
  return changetype<Learned>(table + (policy * places + place) * LEARNED_BYTES);
}

/**
 * Updates perRequest. `kv`: sum of KV usage over pods; `requests`: requests on these pods, from the same scrapes; `age`:
 * milliseconds since the last update.
 */
export function learn(learned: Learned, kv: f32, requests: f32, flags: u32, age: f32): void {
  // With few requests the KV usage shows little: blocks of ended requests may fill the caches.
  if (requests < 2 || kv <= 0) return;
  const seen = kv / requests;
  if (learned.perRequest == 0) {
    learned.perRequest = seen;
    return;
  }
  const span = flags & POLICY_SHORT ? SHORT_MILLISECONDS : LONG_MILLISECONDS;
  const weight = min<f32>(age / (seen > learned.perRequest ? span / 4 : span), 1);
  learned.perRequest += weight * (seen - learned.perRequest);
}

function listsOf(view: SnapshotView): u64 {
  let hash: u64 = ((<u64>view.placeCount) << 32) | view.policyCount;
  for (let i: u32 = 0; i < view.placeCount; i++) {
    hash = mix(hash ^ textHash(view.placeName(i), view.placeNameLength(i)));
  }
  for (let i: u32 = 0; i < view.policyCount; i++) {
    hash = mix(hash ^ textHash(view.policyName(i), view.policyNameLength(i)));
  }
  return hash;
}

function keyOf(view: SnapshotView, policyHash: u64, place: u32): u64 {
  return mix(policyHash ^ textHash(view.placeName(place), view.placeNameLength(place))) | 1;
}

/** Searches at most MAX_POLICIES * MAX_PLACES records. This happens only when a policy or a place comes or goes. */
function find(from: usize, count: u32, key: u64): usize {
  for (let i: u32 = 0; i < count; i++) {
    const at = from + i * LEARNED_BYTES;
    if (changetype<Learned>(at).key == key) return at;
  }
  return 0;
}
