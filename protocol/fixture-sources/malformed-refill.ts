// Malformed snapshots with a part of a refill.

import * as c from "../constants.ts";
import { BROKEN_CACHED, BROKEN_SECTION_STRIDE } from "../rules.ts";
import { type Case, entryOf } from "./malformed-case.ts";

/** Offset of the first group in CACHED. It has two blocks, and a group with one block follows. */
const GROUP = c.CACHED_WORD_BYTES;
const SECOND_GROUP = GROUP + c.CACHED_GROUP_BYTES + 2 * c.CACHED_WORD_BYTES;

// The cases edit the golden snapshot `refill` (golden.ts).
export const REFILL_CASES: readonly Case[] = [
  [
    "cached-headless",
    BROKEN_CACHED,
    "CACHED without a head",
    "cached",
    (o) => void o.setUint32(entryOf(o, c.SECTION_CACHED) + c.DIRECTORY_RECORDS, 0, true),
  ],
  [
    "cached-part",
    BROKEN_CACHED,
    "the part 64 of a refill",
    "cached.part",
    (o, at) => void o.setUint8(at(c.SECTION_CACHED), c.MAX_CACHED_PARTS),
  ],
  [
    "cached-empty",
    BROKEN_CACHED,
    "a group without blocks",
    "cached.endpoints[0].blocks",
    (o, at) => void o.setUint32(at(c.SECTION_CACHED) + GROUP + c.CACHED_COUNT, 0, true),
  ],
  [
    "cached-outside",
    BROKEN_CACHED,
    "a group that ends behind its section",
    "cached.endpoints[1].blocks",
    (o, at) => void o.setUint32(at(c.SECTION_CACHED) + SECOND_GROUP + c.CACHED_COUNT, 2, true),
  ],
  [
    "cached-huge",
    BROKEN_CACHED,
    "a group of 2^61 + 1 blocks, whose bytes would wrap",
    "cached.endpoints[1].blocks",
    (o, at) => void o.setBigUint64(at(c.SECTION_CACHED) + SECOND_GROUP + c.CACHED_COUNT, (1n << 61n) + 1n, true),
  ],
  [
    "cached-cut",
    BROKEN_CACHED,
    "a group without all of its head",
    "cached.endpoints[1].blocks",
    (o) => void o.setUint32(entryOf(o, c.SECTION_CACHED) + c.DIRECTORY_RECORDS, 6, true),
  ],
  [
    "cached-size",
    BROKEN_CACHED,
    "a block without tokens",
    "cached.endpoints[0].blocks[1].size",
    (o, at) => void o.setUint16(at(c.SECTION_CACHED) + GROUP + c.CACHED_GROUP_BYTES + c.CACHED_WORD_BYTES, 0, true),
  ],
  [
    "cached-stride",
    BROKEN_SECTION_STRIDE,
    "CACHED with a stride of 16",
    "sections[4](CACHED).stride",
    (o) => {
      const at = entryOf(o, c.SECTION_CACHED);
      o.setUint16(at + c.DIRECTORY_STRIDE, 16, true);
      o.setUint32(at + c.DIRECTORY_RECORDS, 4, true);
    },
  ],
];
