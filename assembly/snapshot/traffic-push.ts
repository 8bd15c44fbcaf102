// A traffic push: what the other Envoys have in flight, and the prefixes that they sent. A sidecar pushes it far more often than a
// snapshot. protocol/README.md draws the layout.
import {
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_TOTAL_BYTES,
  MAJOR,
  MAX_ENDPOINTS,
  MAX_ENVOYS,
  MAX_PREFIX_WORDS,
  PREFIX_WORD_BYTES,
  REPORT_HEADER_BYTES,
  REPORT_RECORD_BYTES,
  REPORT_RECORDS,
  REPORT_WORDS,
  TRAFFIC_ENVOYS,
  TRAFFIC_MAGIC,
} from "../../protocol/constants";
import {
  BROKEN_BODY_LENGTH,
  BROKEN_ENVOYS,
  BROKEN_MAJOR,
  BROKEN_PREFIXES,
  BROKEN_REMOTE_COUNTS,
  BROKEN_SECTION_RECORDS,
  BROKEN_TOTAL_BYTES,
  VALID,
} from "../../protocol/rules";
import { areCounts, arePrefixes } from "./verify-traffic";

@unmanaged
export class TrafficPush {
  /** Number of Envoys that the records sum up. */
  envoys: u32 = 0;
  /** Records of REPORT_RECORD_BYTES: the hash of an endpoint's address, then its counts as in REMOTE. */
  records: usize = 0;
  count: u32 = 0;
  /** Prefix records. */
  prefixes: usize = 0;
  prefixBytes: u32 = 0;
}

const opened: usize = memory.data(offsetof<TrafficPush>(), 8);

export function isTrafficPush(data: usize, bytes: u32): bool {
  return bytes >= REPORT_HEADER_BYTES && load<u32>(data, HEADER_MAGIC) == TRAFFIC_MAGIC;
}

/** Verifies a body of which isTrafficPush() is true. Returns VALID, or the number of the first broken rule of a snapshot. */
export function verifyTrafficPush(data: usize, bytes: u32): u32 {
  if (load<u16>(data, HEADER_MAJOR) != MAJOR) return BROKEN_MAJOR;
  if (load<u32>(data, HEADER_TOTAL_BYTES) != bytes) return BROKEN_TOTAL_BYTES;
  if (load<u32>(data, TRAFFIC_ENVOYS) > MAX_ENVOYS) return BROKEN_ENVOYS;
  const count = load<u32>(data, REPORT_RECORDS);
  const words = load<u32>(data, REPORT_WORDS);
  if (count > MAX_ENDPOINTS || words > MAX_PREFIX_WORDS) return BROKEN_SECTION_RECORDS;
  const prefixes = REPORT_HEADER_BYTES + count * REPORT_RECORD_BYTES;
  if (prefixes + words * PREFIX_WORD_BYTES != bytes) return BROKEN_BODY_LENGTH;
  for (let at = REPORT_HEADER_BYTES; at < prefixes; at += REPORT_RECORD_BYTES)
    if (!areCounts(data + at + sizeof<u64>())) return BROKEN_REMOTE_COUNTS;
  return arePrefixes(data + prefixes, words * PREFIX_WORD_BYTES) ? VALID : BROKEN_PREFIXES;
}

/** Opens a verified traffic push. The record is valid until the next call, and points into the data. */
export function openTrafficPush(data: usize): TrafficPush {
  const push = changetype<TrafficPush>(opened);
  push.envoys = load<u32>(data, TRAFFIC_ENVOYS);
  push.records = data + REPORT_HEADER_BYTES;
  push.count = load<u32>(data, REPORT_RECORDS);
  push.prefixes = push.records + push.count * REPORT_RECORD_BYTES;
  push.prefixBytes = load<u32>(data, REPORT_WORDS) * PREFIX_WORD_BYTES;
  return push;
}
