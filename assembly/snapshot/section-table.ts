// The directory of a snapshot. KNOWN has the limits of each section; openSections() sets a view to the sections of a snapshot.
import {
  CACHED_WORD_BYTES,
  DIRECTORY_ENTRY_BYTES,
  DIRECTORY_KIND,
  DIRECTORY_OFFSET,
  DIRECTORY_RECORDS,
  DIRECTORY_STRIDE,
  ENDPOINT_BYTES,
  HEADER_BYTES,
  HEADER_SECTION_COUNT,
  MAX_CACHED_WORDS,
  MAX_ENDPOINTS,
  MAX_MODEL_ENDPOINTS,
  MAX_MODELS,
  MAX_OBJECTIVES,
  MAX_PLACES,
  MAX_POLICIES,
  MAX_POOLS,
  MAX_PREFIX_WORDS,
  MAX_RULE_TARGETS,
  MAX_SNAPSHOT_BYTES,
  MODEL_BYTES,
  MODEL_ENDPOINT_BYTES,
  OBJECTIVE_BYTES,
  PLACE_BYTES,
  POLICY_BYTES,
  POOL_BYTES,
  PREFIX_WORD_BYTES,
  REMOTE_BYTES,
  RULE_BYTES,
  SECTION_CACHED,
  SECTION_ENDPOINTS,
  SECTION_MODEL_ENDPOINTS,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_PLACES,
  SECTION_POLICIES,
  SECTION_POOLS,
  SECTION_PREFIXES,
  SECTION_REMOTE,
  SECTION_RULES,
  SECTION_STRINGS,
  SECTION_TOKENIZERS,
  TOKENIZER_BYTES,
} from "../../protocol/constants";
import {
  BROKEN_SECTION_BOUNDS,
  BROKEN_SECTION_MISSING,
  BROKEN_SECTION_RECORDS,
  BROKEN_SECTION_STRIDE,
  BROKEN_SECTION_TWICE,
  VALID,
} from "../../protocol/rules";
import { SectionOfView, SnapshotView } from "./view";

@unmanaged
class KnownSection {
  kind: u32 = 0;
  /** Lowest and highest stride. A stride is a multiple of 8, or 1. */
  least: u32 = 0;
  most: u32 = 0;
  maxRecords: u32 = 0;
  /** Offset of the section's three fields in SnapshotView. */
  field: u32 = 0;
}

/** A newer minor version may append fields to a record, so a longer stride is no error. */
const ANY: u32 = 0xffff;

/** The fields of a KnownSection for each section. */
// biome-ignore format: a row for each section
const KNOWN: StaticArray<u32> = [
  SECTION_STRINGS, 1, 1, MAX_SNAPSHOT_BYTES, offsetof<SnapshotView>("strings"),
  SECTION_ENDPOINTS, ENDPOINT_BYTES, ANY, MAX_ENDPOINTS, offsetof<SnapshotView>("endpoints"),
  SECTION_MODELS, MODEL_BYTES, ANY, MAX_MODELS, offsetof<SnapshotView>("models"),
  SECTION_MODEL_ENDPOINTS, MODEL_ENDPOINT_BYTES, ANY, MAX_MODEL_ENDPOINTS, offsetof<SnapshotView>("links"),
  SECTION_OBJECTIVES, OBJECTIVE_BYTES, ANY, MAX_OBJECTIVES, offsetof<SnapshotView>("objectives"),
  SECTION_RULES, RULE_BYTES, ANY, MAX_RULE_TARGETS, offsetof<SnapshotView>("rules"),
  SECTION_POOLS, POOL_BYTES, ANY, MAX_POOLS, offsetof<SnapshotView>("pools"),
  SECTION_REMOTE, REMOTE_BYTES, ANY, MAX_ENDPOINTS, offsetof<SnapshotView>("remote"),
  SECTION_PREFIXES, PREFIX_WORD_BYTES, PREFIX_WORD_BYTES, MAX_PREFIX_WORDS, offsetof<SnapshotView>("prefixes"),
  SECTION_TOKENIZERS, TOKENIZER_BYTES, ANY, MAX_MODELS, offsetof<SnapshotView>("tokenizers"),
  SECTION_PLACES, PLACE_BYTES, ANY, MAX_PLACES, offsetof<SnapshotView>("places"),
  SECTION_POLICIES, POLICY_BYTES, ANY, MAX_POLICIES, offsetof<SnapshotView>("policies"),
  SECTION_CACHED, CACHED_WORD_BYTES, CACHED_WORD_BYTES, MAX_CACHED_WORDS, offsetof<SnapshotView>("cached"),
];

/** Opens `view` on a body whose header is valid. Returns VALID, or the number of the broken rule. */
export function openSections(view: SnapshotView, base: usize, bytes: u32): u32 {
  view.clear();
  view.base = base;
  view.bytes = bytes;
  const sections = load<u32>(base, HEADER_SECTION_COUNT);
  const directoryEnd = HEADER_BYTES + sections * DIRECTORY_ENTRY_BYTES;
  for (let i: u32 = 0; i < sections; i++) {
    const entry = base + HEADER_BYTES + i * DIRECTORY_ENTRY_BYTES;
    const stride: u32 = load<u16>(entry, DIRECTORY_STRIDE);
    const offset = load<u32>(entry, DIRECTORY_OFFSET);
    const records = load<u32>(entry, DIRECTORY_RECORDS);
    // The calculation uses 64 bits, so that no product or sum wraps.
    if (offset & 7 || offset < directoryEnd || <u64>offset + <u64>records * stride > bytes)
      return BROKEN_SECTION_BOUNDS;
    const known = knownSection(load<u16>(entry, DIRECTORY_KIND));
    if (known === null) continue;
    const section = changetype<SectionOfView>(changetype<usize>(view) + known.field);
    if (section.start) return BROKEN_SECTION_TWICE;
    if (stride < known.least || stride > known.most || (stride != 1 && stride & 7)) return BROKEN_SECTION_STRIDE;
    if (records > known.maxRecords) return BROKEN_SECTION_RECORDS;
    section.start = base + offset;
    section.records = records;
    section.stride = stride;
  }
  const needed = view.strings && view.endpoints && view.models && view.links;
  return needed ? VALID : BROKEN_SECTION_MISSING;
}

function knownSection(kind: u32): KnownSection | null {
  const end = changetype<usize>(KNOWN) + KNOWN.length * sizeof<u32>();
  for (let at = changetype<usize>(KNOWN); at < end; at += offsetof<KnownSection>()) {
    const known = changetype<KnownSection>(at);
    if (known.kind == kind) return known;
  }
  return null;
}
