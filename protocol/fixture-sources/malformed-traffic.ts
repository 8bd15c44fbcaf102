// Malformed snapshots with the traffic of other Envoys.

import * as c from "../constants.ts";
import {
  BROKEN_ENVOYS,
  BROKEN_PREFIXES,
  BROKEN_REMOTE_COUNTS,
  BROKEN_REMOTE_RECORDS,
  BROKEN_SECTION_STRIDE,
} from "../rules.ts";
import { type Case, entryOf } from "./malformed-case.ts";

// The cases edit the golden snapshot `exchange` (golden.ts). Its endpoints are 10.0.0.1:8000, 10.0.0.2:8000 and 10.0.0.3:8000; its
// prefix records have 3 blocks and 1 block.
export const TRAFFIC_CASES: readonly Case[] = [
  [
    "remote-records",
    BROKEN_REMOTE_RECORDS,
    "REMOTE with a record less than ENDPOINTS",
    "remote.length",
    (o) => void o.setUint32(entryOf(o, c.SECTION_REMOTE) + c.DIRECTORY_RECORDS, 2, true),
  ],
  [
    "remote-requests",
    BROKEN_REMOTE_COUNTS,
    "16,777,217 requests of other Envoys",
    "remote[1].requests",
    (o, at) => void o.setUint32(at(c.SECTION_REMOTE) + c.REMOTE_BYTES, c.MAX_REMOTE + 1, true),
  ],
  [
    "remote-lasted",
    BROKEN_REMOTE_COUNTS,
    "more requests that lasted than requests",
    "remote[2].lasted",
    (o, at) => void o.setUint32(at(c.SECTION_REMOTE) + 2 * c.REMOTE_BYTES + c.REMOTE_SETTLED, 2, true),
  ],
  [
    "remote-pending",
    BROKEN_REMOTE_COUNTS,
    "2^30 + 1 pending tokens",
    "remote[0].pending",
    (o, at) => void o.setUint32(at(c.SECTION_REMOTE) + c.REMOTE_WAITING, c.MAX_REMOTE_WAITING + 1, true),
  ],
  [
    "envoys",
    BROKEN_ENVOYS,
    "1,025 Envoys",
    "header.envoys",
    (o) => void o.setUint32(c.HEADER_ENVOYS, c.MAX_ENVOYS + 1, true),
  ],
  [
    "prefix-stride",
    BROKEN_SECTION_STRIDE,
    "PREFIXES with a stride of 16",
    "sections[5](PREFIXES).stride",
    (o) => {
      const at = entryOf(o, c.SECTION_PREFIXES);
      o.setUint16(at + c.DIRECTORY_STRIDE, 16, true);
      o.setUint32(at + c.DIRECTORY_RECORDS, 5, true);
    },
  ],
  [
    "prefix-empty",
    BROKEN_PREFIXES,
    "a prefix record of no blocks",
    "prefixes[0].count",
    (o, at) => void o.setUint16(at(c.SECTION_PREFIXES) + c.PREFIX_COUNT, 0, true),
  ],
  [
    "prefix-long",
    BROKEN_PREFIXES,
    "a prefix record of 257 blocks",
    "prefixes[0].count",
    (o, at) => void o.setUint16(at(c.SECTION_PREFIXES) + c.PREFIX_COUNT, 257, true),
  ],
  [
    "prefix-outside",
    BROKEN_PREFIXES,
    "a prefix record that ends behind its section",
    "prefixes[1].count",
    (o, at) => void o.setUint16(at(c.SECTION_PREFIXES) + 6 * 8 + c.PREFIX_COUNT, 2, true),
  ],
  [
    "prefix-cut",
    BROKEN_PREFIXES,
    "a prefix record without all of its head",
    "prefixes[1].count",
    (o) => void o.setUint32(entryOf(o, c.SECTION_PREFIXES) + c.DIRECTORY_RECORDS, 8, true),
  ],
];
