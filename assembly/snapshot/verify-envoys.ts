// Checks the sections that carry other Envoys' traffic, REMOTE and PREFIXES: optional, and whole before they are used.
import {
  MAX_ENVOYS,
  MAX_PREFIX_BLOCKS,
  MAX_PREFIX_WORDS,
  MAX_REMOTE,
  MAX_REMOTE_PENDING,
  PREFIX_BYTES,
  PREFIX_COUNT,
  REMOTE_BYTES,
  REMOTE_LASTED,
  REMOTE_PENDING,
  REMOTE_REQUESTS,
} from "../../protocol/constants";
import { SnapshotView } from "./view";

/** Blocks of a prefix record; its number is above. */
export function prefixBlocks(record: usize): u32 {
  return load<u16>(record, PREFIX_COUNT);
}
export function prefixNumber(record: usize): u64 {
  return load<u64>(record, PREFIX_COUNT) >> 16;
}

export function openRemote(view: SnapshotView, start: usize, stride: u32, records: u32): u32 {
  if (view.remote) return 9;
  if (stride < REMOTE_BYTES || stride & 7) return 7;
  view.remote = start;
  view.remoteCount = records;
  view.remoteStride = stride;
  return 0;
}

export function openPrefixes(view: SnapshotView, start: usize, stride: u32, records: u32): u32 {
  if (view.prefixes) return 9;
  if (stride != 8) return 7;
  if (records > MAX_PREFIX_WORDS) return 8;
  view.prefixes = start;
  view.prefixWords = records;
  return 0;
}

/** After the endpoints were verified; 0 or the number of the broken rule. */
export function verifyExchange(view: SnapshotView): u32 {
  if (view.envoys > MAX_ENVOYS) return 50;
  if (view.remote) {
    if (view.remoteCount != view.endpointCount) return 51;
    for (let i: u32 = 0; i < view.remoteCount; i++) {
      const record = view.remote + i * view.remoteStride;
      const requests = load<u32>(record, REMOTE_REQUESTS);
      if (requests > MAX_REMOTE || load<u32>(record, REMOTE_LASTED) > requests) return 52;
      if (load<u32>(record, REMOTE_PENDING) > MAX_REMOTE_PENDING) return 52;
    }
  }
  return view.prefixes && !arePrefixes(view.prefixes, view.prefixWords * 8) ? 53 : 0;
}

/** Whether the bytes are whole prefix records. */
function arePrefixes(start: usize, bytes: u32): bool {
  let left = bytes;
  let at = start;
  while (left > 0) {
    if (left < PREFIX_BYTES) return false;
    const blocks = prefixBlocks(at);
    const length = PREFIX_BYTES + blocks * 8;
    if (blocks < 1 || blocks > MAX_PREFIX_BLOCKS || length > left) return false;
    at += length;
    left -= length;
  }
  return true;
}

/** What to write into a refusal for a rule of this file. */
export function exchangeText(rule: u32): string {
  switch (rule) {
    case 50:
      return "speaks of more than 1024 other Envoys";
    case 51:
      return "REMOTE has not one record for each endpoint";
    case 52:
      return "REMOTE counts more than 16777216 requests or 2^30 tokens, or more requests that lasted than there are";
    default:
      return "PREFIXES holds no whole records of 1 to 256 blocks";
  }
}
