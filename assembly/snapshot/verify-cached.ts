// Verifies the optional section CACHED, and reads its words. protocol/README.md draws the layout.
import {
  CACHED_COUNT,
  CACHED_GROUP_BYTES,
  CACHED_HOT,
  CACHED_KEY_SHIFT,
  CACHED_PART_BITS,
  CACHED_SIZE_MASK,
  CACHED_WORD_BYTES,
  MAX_CACHED_PARTS,
} from "../../protocol/constants";
import { BROKEN_CACHED, VALID } from "../../protocol/rules";
import { SnapshotView } from "./view";

/** Number of the refill. */
export function refillNumber(head: usize): u64 {
  return load<u64>(head) >> CACHED_PART_BITS;
}
/** Part of the refill, below MAX_CACHED_PARTS. */
export function refillPart(head: usize): u32 {
  return load<u8>(head);
}
/** Number of blocks of the group. The first block is at `group` + CACHED_GROUP_BYTES. */
export function groupBlocks(group: usize): u32 {
  return load<u32>(group, CACHED_COUNT);
}
/** Tokens of a block in units of PREFIX_UNIT_TOKENS. */
export function blockSize(block: u64): u32 {
  return <u32>block & CACHED_SIZE_MASK;
}
export function isBlockHot(block: u64): bool {
  return (<u32>block & CACHED_HOT) != 0;
}
/** Key of a block (endpoints/cache/prompt.ts). */
export function keyOfWord(block: u64): u64 {
  return block >> CACHED_KEY_SHIFT;
}

/** Returns VALID or BROKEN_CACHED. */
export function verifyCached(view: SnapshotView): u32 {
  if (!view.cached) return VALID;
  if (view.cachedWords == 0 || refillPart(view.cached) >= MAX_CACHED_PARTS) return BROKEN_CACHED;
  const end = view.cached + view.cachedWords * CACHED_WORD_BYTES;
  for (let group = view.cached + CACHED_WORD_BYTES; group < end; ) {
    if (end - group < CACHED_GROUP_BYTES) return BROKEN_CACHED;
    const blocks = load<u64>(group, CACHED_COUNT);
    const room = (end - group - CACHED_GROUP_BYTES) / CACHED_WORD_BYTES;
    if (blocks < 1 || blocks > room) return BROKEN_CACHED;
    const first = group + CACHED_GROUP_BYTES;
    const next = first + <usize>blocks * CACHED_WORD_BYTES;
    for (let at = first; at < next; at += CACHED_WORD_BYTES) if (blockSize(load<u64>(at)) == 0) return BROKEN_CACHED;
    group = next;
  }
  return VALID;
}
