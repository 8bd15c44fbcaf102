// Which endpoints were last sent a block, also after the block was evicted. The table has two uses:
//
//   Candidates  A pick samples a large pool (pick/candidates.ts), and the prefix index (prefix-index.ts) answers for one endpoint
//               at a time. Without this table a pick would find the endpoint that has a conversation in its cache by chance only.
//   Owners      In an overloaded pool a prompt that was evicted goes back to the endpoint that was sent it last, its owner
//               (pick/token-cost.ts). So the endpoints divide the prompts among them.
//
// A block's hash gives its slot. If two blocks have the same slot, the block that was sent later takes the slot. A slot has a
// u32 tag, the u16 number of the endpoint that was sent the block last, and the u16 number of the last other endpoint before
// (0: none). The last block of a prompt that has a slot decides. So a block that lost its slot matters little: the block
// before it was mostly sent to the same endpoints.
//
// Memory: 8 bytes for each block that the endpoints' caches have room for together, within 64 KiB to 2 MiB, and 32 KiB.
// For the scorers, which do not know owners, the memory is taken only if the snapshot has more than FULL_SCAN endpoints.
import { mix } from "../../base/hash";
import { NONE, SnapshotView } from "../../snapshot/view";
import { entryOf } from "../entries";
import { Entry } from "../entry";
import { blockBytes, keyOfBlock, Prompt, promptHash, SMALL_BLOCK_BYTES } from "./prompt";

/** A pick may sample a pool that has more endpoints than this. */
export const FULL_SCAN: u32 = 8;
const MIN_SLOTS: u32 = 8192;
const MAX_SLOTS: u32 = 262144;
/** Endpoints that have different numbers. There are more than MAX_ENDPOINTS, so two endpoints share one only after many changes. */
const NUMBERS: u32 = 16384;

@unmanaged
class Slot {
  tag: u32 = 0;
  last: u16 = 0;
  before: u16 = 0;
}

const SLOT_BYTES: u32 = offsetof<Slot>();

/** The endpoint that was sent a block last, and the endpoint before; each an index in the current snapshot, or NONE. */
@unmanaged
class LastSent {
  last: u32 = 0;
  before: u32 = 0;
  /** Number of blocks of the prompt that these endpoints were sent. */
  blocks: u32 = 0;
}

const found = changetype<LastSent>(memory.data(offsetof<LastSent>(), 4));

let slots: usize = 0;
let slotMask: u32 = 0;
/** A u16 for each number from 1 on: 1 + the endpoint's index in the snapshot; 0: the snapshot does not have the endpoint. */
let endpoints: usize = 0;

/** Follows a new snapshot. `blocks`: the number of blocks that its endpoints' caches have room for together. */
export function followLastSent(view: SnapshotView, blocks: u64): void {
  if (view.endpointCount <= FULL_SCAN && blockBytes() == SMALL_BLOCK_BYTES) return;
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

/** Records that blocks were sent to the endpoint. `hashes` has `count` block hashes, a u64 each. */
export function noteSent(hashes: usize, count: u32, seed: u64, entry: Entry): void {
  if (!slots) return;
  const number = <u16>numberOf(entry);
  for (let i: u32 = 0; i < count; i++) note(mix(keyOfBlock(load<u64>(hashes + i * 8), seed)), number);
}

/** Records that a block of a refill was sent to the endpoint. `block`: the block's key (prompt.ts). */
export function noteRefilled(block: u64, entry: Entry): void {
  if (slots) note(mix(block), <u16>numberOf(entry));
}

function note(key: u64, number: u16): void {
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

/** The endpoints that were last sent the longest known beginning of the prompt. The record is valid until the next call. */
export function findLastSent(prompt: Prompt, seed: u64): LastSent {
  found.last = NONE;
  found.before = NONE;
  found.blocks = 0;
  if (!slots) return found;
  for (let i = prompt.count; i > 0; i--) {
    const key = mix(keyOfBlock(promptHash(prompt, i - 1), seed));
    const slot = slotOf(key);
    if (slot.tag != tagOf(key)) continue;
    found.blocks = i;
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

/** The tag of a block. It is never 0, because 0 is the tag of a free slot. */
function tagOf(key: u64): u32 {
  return <u32>(key >> 32) | 1;
}
