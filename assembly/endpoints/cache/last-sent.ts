// Which endpoints were sent a block last, whichever they are. The prefix index (prefix-index.ts) can only be asked about one endpoint
// after the other, and in a pool that is sampled (candidates.ts) most of them are not: without this the endpoint that holds a
// conversation would be met by chance. What is found here is where to look; what is held there, the index says.
//
// A block has one place, which the newest block that falls there takes: u32 tag, u16 number of the endpoint that was sent it
// last, u16 of the one before, if that was another; 0: none. The deepest block that is known decides, so one that lost its
// place costs at most what its neighbours do not know.
//
// Memory: 8 bytes for each block that the endpoints can hold together, 64 KiB to 2 MiB, with more than FULL_SCAN endpoints only;
// and 32 KiB.

import { mix } from "../../base/hash";
import { NONE, SnapshotView } from "../../snapshot/view";
import { Entry, entryOf } from "../entries";
import { Prompt, promptHash } from "./prompt";

/** A pool of more endpoints may be sampled. */
export const FULL_SCAN: u32 = 8;
const PLACE_BYTES: u32 = 8;
const MIN_PLACES: u32 = 8192;
const MAX_PLACES: u32 = 262144;
/** Endpoints that are told apart: more than MAX_ENDPOINTS, so that two at a time share a number only long after a restart. */
const NUMBERS: u32 = 16384;

let places: usize = 0;
let placeMask: u32 = 0;
/** u16 per number, from 1 on: 1 + the endpoint's place in the snapshot; 0: it is not there. */
let endpoints: usize = 0;

/** Results of findLastSent(): places in the snapshot, NONE where there is none. */
export let lastSent: u32 = NONE;
export let sentBefore: u32 = NONE;

/** After a new snapshot. `blocks`: that its endpoints can hold together. */
export function followLastSent(view: SnapshotView, blocks: u64): void {
  if (view.endpointCount <= FULL_SCAN) return;
  let wanted = MIN_PLACES;
  while (wanted < MAX_PLACES && <u64>wanted < blocks) wanted <<= 1;
  if (!places || wanted > placeMask + 1) {
    if (places) heap.free(places);
    places = heap.alloc(wanted * PLACE_BYTES);
    memory.fill(places, 0, wanted * PLACE_BYTES);
    placeMask = wanted - 1;
  }
  if (!endpoints) endpoints = heap.alloc((NUMBERS + 1) * 2);
  memory.fill(endpoints, 0, (NUMBERS + 1) * 2);
  for (let i: u32 = 0; i < view.endpointCount; i++) store<u16>(endpoints + numberOf(entryOf(i)) * 2, <u16>(i + 1));
}

/** The blocks with these hashes, a u64 each, were sent to the endpoint. */
export function noteSent(hashes: usize, count: u32, seed: u64, entry: Entry): void {
  if (!places) return;
  const number = numberOf(entry);
  for (let i: u32 = 0; i < count; i++) {
    const key = mix(load<u64>(hashes + i * 8) ^ seed);
    const place = placeOf(key);
    const last: u32 = load<u16>(place, 4);
    if (load<u32>(place) != tagOf(key)) {
      store<u32>(place, tagOf(key));
      store<u32>(place, number, 4);
    } else if (last != number) store<u32>(place, number | (last << 16), 4);
  }
}

/** Who was sent the longest beginning of the prompt that anybody was sent. */
export function findLastSent(prompt: Prompt, seed: u64): void {
  lastSent = NONE;
  sentBefore = NONE;
  if (!places) return;
  for (let i = prompt.count; i > 0; i--) {
    const key = mix(promptHash(prompt, i - 1) ^ seed);
    const place = placeOf(key);
    if (load<u32>(place) != tagOf(key)) continue;
    lastSent = endpointOf(load<u16>(place, 4));
    sentBefore = endpointOf(load<u16>(place, 6));
    return;
  }
}

function numberOf(entry: Entry): u32 {
  return 1 + (entry.slot & (NUMBERS - 1));
}

function endpointOf(number: u32): u32 {
  return <u32>load<u16>(endpoints + number * 2) - 1;
}

function placeOf(key: u64): usize {
  return places + (<u32>key & placeMask) * PLACE_BYTES;
}

/** Never 0, as the tag of a place that nothing has taken. */
function tagOf(key: u64): u32 {
  return <u32>(key >> 32) | 1;
}
