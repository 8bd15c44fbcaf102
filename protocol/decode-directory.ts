// The directory of a snapshot, and the texts that records point to.
import * as c from "./constants.ts";
import {
  BROKEN_DIRECTORY,
  BROKEN_SECTION_BOUNDS,
  BROKEN_SECTION_MISSING,
  BROKEN_SECTION_RECORDS,
  BROKEN_SECTION_STRIDE,
  BROKEN_SECTION_TWICE,
} from "./rules.ts";
import { SnapshotError } from "./snapshot-error.ts";

export interface Section {
  offset: number;
  stride: number;
  records: number;
}

/**
 * The known sections. `least` is the lowest stride, `most` the highest stride if the stride is fixed, `limit` the limit of records.
 * The filter has the same table in assembly/snapshot/section-table.ts.
 */
export const KNOWN = [
  { kind: c.SECTION_STRINGS, name: "STRINGS", least: 1, most: 1, limit: c.MAX_SNAPSHOT_BYTES },
  { kind: c.SECTION_ENDPOINTS, name: "ENDPOINTS", least: c.ENDPOINT_BYTES, limit: c.MAX_ENDPOINTS },
  { kind: c.SECTION_MODELS, name: "MODELS", least: c.MODEL_BYTES, limit: c.MAX_MODELS },
  {
    kind: c.SECTION_MODEL_ENDPOINTS,
    name: "MODEL_ENDPOINTS",
    least: c.MODEL_ENDPOINT_BYTES,
    limit: c.MAX_MODEL_ENDPOINTS,
  },
  { kind: c.SECTION_PLACES, name: "PLACES", least: c.PLACE_BYTES, limit: c.MAX_PLACES },
  { kind: c.SECTION_POLICIES, name: "POLICIES", least: c.POLICY_BYTES, limit: c.MAX_POLICIES },
  { kind: c.SECTION_OBJECTIVES, name: "OBJECTIVES", least: c.OBJECTIVE_BYTES, limit: c.MAX_OBJECTIVES },
  { kind: c.SECTION_RULES, name: "RULES", least: c.RULE_BYTES, limit: c.MAX_RULE_TARGETS },
  { kind: c.SECTION_POOLS, name: "POOLS", least: c.POOL_BYTES, limit: c.MAX_POOLS },
  { kind: c.SECTION_TOKENIZERS, name: "TOKENIZERS", least: c.TOKENIZER_BYTES, limit: c.MAX_MODELS },
  { kind: c.SECTION_REMOTE, name: "REMOTE", least: c.REMOTE_BYTES, limit: c.MAX_ENDPOINTS },
  {
    kind: c.SECTION_PREFIXES,
    name: "PREFIXES",
    least: c.PREFIX_WORD_BYTES,
    most: c.PREFIX_WORD_BYTES,
    limit: c.MAX_PREFIX_WORDS,
  },
  {
    kind: c.SECTION_CACHED,
    name: "CACHED",
    least: c.CACHED_WORD_BYTES,
    most: c.CACHED_WORD_BYTES,
    limit: c.MAX_CACHED_WORDS,
  },
] as const;
type Name = (typeof KNOWN)[number]["name"];
/** The sections that every snapshot has. All other sections may be absent. */
const NEEDED = ["STRINGS", "ENDPOINTS", "MODELS", "MODEL_ENDPOINTS"] as const;
type Sections = Record<(typeof NEEDED)[number], Section> & Partial<Record<Name, Section>>;

export function readDirectory(view: DataView): Sections {
  const total = view.byteLength;
  const count = view.getUint32(c.HEADER_SECTION_COUNT, true);
  if (count > c.MAX_SECTIONS)
    throw new SnapshotError(BROKEN_DIRECTORY, "header.sectionCount", count, `at most ${c.MAX_SECTIONS}`);
  const directoryEnd = c.HEADER_BYTES + count * c.DIRECTORY_ENTRY_BYTES;
  if (directoryEnd > total) {
    throw new SnapshotError(BROKEN_DIRECTORY, "header.sectionCount", count, `a directory inside the ${total} bytes`);
  }
  const found: Partial<Record<Name, Section>> = {};
  for (let i = 0; i < count; i++) {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES;
    const kind = view.getUint16(at + c.DIRECTORY_KIND, true);
    const stride = view.getUint16(at + c.DIRECTORY_STRIDE, true);
    const offset = view.getUint32(at + c.DIRECTORY_OFFSET, true);
    const records = view.getUint32(at + c.DIRECTORY_RECORDS, true);
    const known = KNOWN.find((k) => k.kind === kind);
    const field = `sections[${i}]${known === undefined ? "" : `(${known.name})`}`;
    if (offset % 8 !== 0) throw new SnapshotError(BROKEN_SECTION_BOUNDS, `${field}.offset`, offset, "a multiple of 8");
    if (offset < directoryEnd)
      throw new SnapshotError(BROKEN_SECTION_BOUNDS, `${field}.offset`, offset, `at least ${directoryEnd}`);
    if (offset + stride * records > total) {
      throw new SnapshotError(
        BROKEN_SECTION_BOUNDS,
        `${field}.records`,
        records,
        `a section that ends inside the ${total} bytes`,
      );
    }
    if (known === undefined) continue;
    if (found[known.name] !== undefined)
      throw new SnapshotError(BROKEN_SECTION_TWICE, field, "a second one", "each known kind once");
    const exact = "most" in known;
    if (exact ? stride !== known.most : stride < known.least || stride % 8 !== 0) {
      const expected = exact ? String(known.most) : `a multiple of 8, at least ${known.least}`;
      throw new SnapshotError(BROKEN_SECTION_STRIDE, `${field}.stride`, stride, expected);
    }
    if (records > known.limit)
      throw new SnapshotError(BROKEN_SECTION_RECORDS, `${field}.records`, records, `at most ${known.limit}`);
    found[known.name] = { offset, stride, records };
  }
  for (const name of NEEDED) {
    if (found[name] === undefined)
      throw new SnapshotError(BROKEN_SECTION_MISSING, "sections", `no ${name}`, "each needed kind once");
  }
  return found as Sections;
}

export class Strings {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get(rule: number, field: string, offset: number, length: number, max: number): Buffer {
    if (length < 1 || length > max) throw new SnapshotError(rule, `${field} length`, length, `1...${max} bytes`);
    if (offset + length > this.#bytes.length) {
      throw new SnapshotError(
        rule,
        `${field} offset`,
        offset,
        `a range inside the ${this.#bytes.length} bytes of STRINGS`,
      );
    }
    return this.#bytes.subarray(offset, offset + length);
  }
}
