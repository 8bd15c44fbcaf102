// Which endpoints were last sent a block. The prefix index (prefix-index.ts) can only be asked about one endpoint after the
// other, and a large pool is sampled (pick/candidates.ts): without this table a pick would meet the endpoint that has a
// conversation in its cache by chance only. This table says where to look; the prefix index says what is cached there.
//
// A block has one slot, which the newest block that falls there takes: u32 tag; u16 number of the endpoint that was sent the
// block last; u16 number of the endpoint before, if that was another; 0: none. The deepest known block of a prompt decides. So
// a block that lost its slot costs at most what its neighbours do not know.
//
// Memory: 8 bytes for each block that the endpoints' caches have room for together, 64 KiB to 2 MiB, and 32 KiB; only in pools
// of more than FULL_SCAN endpoints.
import { mix } from "../../base/hash";
import { NONE, SnapshotView } from "../../snapshot/view";
import { entryOf } from "../entries";
import { Entry } from "../entry";
import { Prompt, promptHash } from "./prompt";

/** A pool of more endpoints may be sampled. */
export const FULL_SCAN: u32 = 8;
const MIN_SLOTS: u32 = 8192;
const MAX_SLOTS: u32 = 262144;
/** Endpoints that are told apart: more than MAX_ENDPOINTS, so that two at a time share a number only long after a restart. */
const NUMBERS: u32 = 16384;

@unmanaged
class Slot {
  tag: u32 = 0;
  last: u16 = 0;
  before: u16 = 0;
}

const SLOT_BYTES: u32 = offsetof<Slot>();

/** Endpoints of the current snapshot; NONE: none is known. */
@unmanaged
class LastSent {
  last: u32 = 0;
  before: u32 = 0;
}

const found = changetype<LastSent>(memory.data(offsetof<LastSent>(), 4));

let slots: usize = 0;
let slotMask: u32 = 0;
/** u16 for each number, from 1 on: 1 + the endpoint's index in the snapshot; 0: the snapshot does not have it. */
let endpoints: usize = 0;

/** After a new snapshot. `blocks`: for which its endpoints' caches have room together. */
export function followLastSent(view: SnapshotView, blocks: u64): void {
  if (view.endpointCount <= FULL_SCAN) return;
  let wanted = MIN_SLOTS;
  while (wanted < MAX_SLOTS && <u64>wanted < blocks) wanted <<= 1;
  if (!slots || wanted > slotMask + 1) {
    if (slots) heap.free(slots);
    slots = heap.alloc(wanted * SLOT_BYTES);
    memory.fill(slots, 0, wanted * SLOT_BYTES);
    slotMask = wanted - 1;
  }
  if (!endpoints) endpoints = heap.alloc((NUMBERS + 1) * 2);
  memory.fill(endpoints, 0, (NUMBERS + 1) * 2);
  for (let i: u32 = 0; i < view.endpointCount; i++) store<u16>(endpoints + numberOf(entryOf(i)) * 2, <u16>(i + 1));
}

/** The blocks with these hashes, a u64 each, were sent to the endpoint. */
export function noteSent(hashes: usize, count: u32, seed: u64, entry: Entry): void {
  if (!slots) return;
  const number = <u16>numberOf(entry);
  for (let i: u32 = 0; i < count; i++) {
    const key = mix(load<u64>(hashes + i * 8) ^ seed);
    const slot = slotOf(key);
    const last = slot.last;
    if (slot.tag != tagOf(key)) {
      slot.tag = tagOf(key);
      slot.last = number;
      slot.before = 0;
    } else if (last != number) {
      slot.last = number;
      slot.before = last;
    }
  }
}

/** The endpoints that were last sent the longest known beginning of the prompt. The record is valid until the next call. */
export function findLastSent(prompt: Prompt, seed: u64): LastSent {
  found.last = NONE;
  found.before = NONE;
  if (!slots) return found;
  for (let i = prompt.count; i > 0; i--) {
    const key = mix(promptHash(prompt, i - 1) ^ seed);
    const slot = slotOf(key);
    if (slot.tag != tagOf(key)) continue;
    found.last = endpointOf(slot.last);
    found.before = endpointOf(slot.before);
    break;
  }
  return found;
}

function numberOf(entry: Entry): u32 {
  return 1 + (entry.number & (NUMBERS - 1));
}

function endpointOf(number: u32): u32 {
  return <u32>load<u16>(endpoints + number * 2) - 1;
}

function slotOf(key: u64): Slot {
  return changetype<Slot>(slots + (<u32>key & slotMask) * SLOT_BYTES);
}

/** Never 0, as the tag of a slot that nothing has taken. */
function tagOf(key: u64): u32 {
  return <u32>(key >> 32) | 1;
}
