// Verifies the optional sections REMOTE and PREFIXES: the in-flight requests of other Envoys, and the prefixes that they sent.
import {
  MAX_ENVOYS,
  MAX_PREFIX_BLOCKS,
  MAX_REMOTE,
  MAX_REMOTE_WAITING,
  PREFIX_BYTES,
  PREFIX_COUNT,
  PREFIX_COUNT_MASK,
  PREFIX_WORD_BYTES,
  REMOTE_REQUESTS,
  REMOTE_SETTLED,
  REMOTE_WAITING,
} from "../../protocol/constants";
import {
  BROKEN_ENVOYS,
  BROKEN_PREFIXES,
  BROKEN_REMOTE_COUNTS,
  BROKEN_REMOTE_RECORDS,
  VALID,
} from "../../protocol/rules";
import { SnapshotView } from "./view";

/** Number of blocks of a prefix record: bits 0 to 8 of a word (PREFIX_COUNT_MASK). */
export function prefixBlocks(record: usize): u32 {
  return load<u16>(record, PREFIX_COUNT) & PREFIX_COUNT_MASK;
}
export function prefixNumber(record: usize): u64 {
  return load<u64>(record, PREFIX_COUNT) >> 16;
}

/** Returns VALID, or the number of the first broken rule. The endpoints must be verified before. */
export function verifyTraffic(view: SnapshotView): u32 {
  if (view.envoys > MAX_ENVOYS) return BROKEN_ENVOYS;
  if (view.remote) {
    if (view.remoteCount != view.endpointCount) return BROKEN_REMOTE_RECORDS;
    for (let i: u32 = 0; i < view.remoteCount; i++) {
      if (!areCounts(view.remote + i * view.remoteStride)) return BROKEN_REMOTE_COUNTS;
    }
  }
  return view.prefixes && !arePrefixes(view.prefixes, view.prefixWords * PREFIX_WORD_BYTES) ? BROKEN_PREFIXES : VALID;
}

/** Whether the counts of a record as in REMOTE are within their limits. */
export function areCounts(record: usize): bool {
  const requests = load<u32>(record, REMOTE_REQUESTS);
  if (requests > MAX_REMOTE || load<u32>(record, REMOTE_SETTLED) > requests) return false;
  return load<u32>(record, REMOTE_WAITING) <= MAX_REMOTE_WAITING;
}

/** Whether the bytes are whole prefix records. */
export function arePrefixes(start: usize, bytes: u32): bool {
  let left = bytes;
  let at = start;
  while (left > 0) {
    if (left < PREFIX_BYTES) return false;
    const blocks = prefixBlocks(at);
    const length = PREFIX_BYTES + blocks * PREFIX_WORD_BYTES;
    if (blocks < 1 || blocks > MAX_PREFIX_BLOCKS || length > left) return false;
    at += length;
    left -= length;
  }
  return true;
}
