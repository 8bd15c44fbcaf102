// Checks a pushed snapshot whole before anything of it is used: after verify() returned 0 every offset, index and text
// that view.ts can reach is inside the bytes. The rules are protocol/README.md's; each has its own number and sentence.
import {
  ADAPTER_WAITING,
  DIRECTORY_ENTRY_BYTES,
  DIRECTORY_KIND,
  DIRECTORY_OFFSET,
  DIRECTORY_RECORDS,
  DIRECTORY_STRIDE,
  ENDPOINT_ADDRESS_LENGTH,
  ENDPOINT_ADDRESS_OFFSET,
  ENDPOINT_BYTES,
  HEADER_BYTES,
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_SECTION_COUNT,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  MAGIC,
  MAJOR,
  MAX_ADDRESS_BYTES,
  MAX_ENDPOINTS,
  MAX_MODEL_ENDPOINTS,
  MAX_MODEL_NAME_BYTES,
  MAX_MODELS,
  MAX_OBJECTIVES,
  MAX_PLACES,
  MAX_POLICIES,
  MAX_POOLS,
  MAX_RULE_TARGETS,
  MAX_SECTIONS,
  MODEL_BYTES,
  MODEL_ENDPOINT_BYTES,
  MODEL_ENDPOINT_STATE,
  MODEL_IS_ADAPTER,
  MODEL_IS_BASE,
  MODEL_NAME_LENGTH,
  MODEL_NAME_OFFSET,
  OBJECTIVE_BYTES,
  PLACE_BYTES,
  POLICY_BYTES,
  POOL_BYTES,
  RULE_BYTES,
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
} from "../../protocol/constants";
import { isAddress } from "./address";
import { isName } from "./name";
import { exchangeText, openPrefixes, openRemote, verifyExchange } from "./verify-envoys";
import { verifyObjects } from "./verify-objects";
import { placeRuleText, verifyPlaces } from "./verify-places";
import { compareBytes, NONE, SnapshotView } from "./view";

/** 0 when `bytes` at `base` are a snapshot, and `view` is open on it; else the number of the broken rule. */
export function verify(view: SnapshotView, base: usize, bytes: u32): u32 {
  const header = verifyHeader(base, bytes);
  if (header != 0) return header;
  view.clear();
  view.base = base;
  view.bytes = bytes;
  const directory = verifyDirectory(view, base, bytes);
  if (directory != 0) return directory;
  if (!view.strings || !view.endpoints || !view.models || !view.links) return 10;
  const endpoints = verifyEndpoints(view);
  if (endpoints != 0) return endpoints;
  const models = verifyModels(view);
  if (models != 0) return models;
  const objects = verifyObjects(view);
  if (objects != 0) return objects;
  const places = verifyPlaces(view);
  return places != 0 ? places : verifyExchange(view);
}

/** What to write into a refusal for a rule's number. */
export function ruleText(rule: u32): string {
  switch (rule) {
    case 1:
      return "it is shorter than its 64-byte header";
    case 2:
      return "does not begin with the bytes PFSN";
    case 3:
      return "has a major version other than 1: run a sidecar of the same release as the filter";
    case 4:
      return "totalBytes differs from the body's length";
    case 5:
      return "has more than 32 sections, or a directory that ends past the body";
    case 6:
      return "a section is not 8-aligned, begins inside the directory, or ends past the body";
    case 7:
      return "a section's stride is smaller than its record, or no multiple of 8";
    case 8:
      return "a section holds more records than the limit";
    case 9:
      return "a section stands twice";
    case 10:
      return "a section is missing: STRINGS, ENDPOINTS, MODELS and MODEL_ENDPOINTS are needed";
    case 11:
      return "an endpoint's address is outside STRINGS or longer than 54 bytes";
    case 12:
      return "an endpoint's address is not ip:port or [ipv6]:port";
    case 13:
      return "endpoints are not strictly ascending by address";
    case 14:
      return "a model's name is outside STRINGS, empty or longer than 256 bytes";
    case 15:
      return "a model's name has control characters or is not UTF-8";
    case 16:
      return "models are not strictly ascending by name";
    case 17:
      return "a model's endpoint range is outside MODEL_ENDPOINTS";
    case 18:
      return "a model's endpoint index is outside ENDPOINTS";
    case 19:
      return "a model's endpoint indexes are not strictly ascending";
    case 20:
      return "a model's kind is neither base nor adapter";
    case 23:
      return "has version 0";
    case 24:
      return "a model endpoint's state is none of listed, running and waiting";
    case 25:
      return "the models' endpoint ranges add up to more than 65536 records";
    case 26:
      return "the name of a pool, an objective or a rule is outside STRINGS, empty or too long";
    case 27:
      return "the name of a pool, an objective or a rule has control characters or is not UTF-8";
    case 28:
      return "pools are not strictly ascending by name";
    case 29:
      return "objectives are not strictly ascending by name and pool";
    case 30:
      return "rules are not ascending by name and pool";
    case 31:
      return "a pool's index is outside POOLS";
    case 32:
      return "a rule has more than 64 targets, a weight above 1000000, or targets of different priorities";
    case 22:
      return "an endpoint's kvUsage is neither NaN nor in 0...1";
    case 40:
    case 41:
    case 42:
    case 43:
    case 44:
      return placeRuleText(rule);
    case 21:
      return "a model's base is no base model, or a base model names another as its base";
    default:
      return exchangeText(rule);
  }
}

function verifyHeader(base: usize, bytes: u32): u32 {
  if (bytes < HEADER_BYTES) return 1;
  if (load<u32>(base, HEADER_MAGIC) != MAGIC) return 2;
  if (load<u16>(base, HEADER_MAJOR) != MAJOR) return 3;
  if (load<u32>(base, HEADER_TOTAL_BYTES) != bytes) return 4;
  const sections = load<u32>(base, HEADER_SECTION_COUNT);
  if (sections > MAX_SECTIONS || HEADER_BYTES + sections * DIRECTORY_ENTRY_BYTES > bytes) return 5;
  return load<u64>(base, HEADER_VERSION) == 0 ? 23 : 0;
}

function verifyDirectory(view: SnapshotView, base: usize, bytes: u32): u32 {
  const sections = load<u32>(base, HEADER_SECTION_COUNT);
  const directoryEnd = HEADER_BYTES + sections * DIRECTORY_ENTRY_BYTES;
  for (let i: u32 = 0; i < sections; i++) {
    const entry = base + HEADER_BYTES + i * DIRECTORY_ENTRY_BYTES;
    const kind: u32 = load<u16>(entry, DIRECTORY_KIND);
    const stride: u32 = load<u16>(entry, DIRECTORY_STRIDE);
    const offset = load<u32>(entry, DIRECTORY_OFFSET);
    const records = load<u32>(entry, DIRECTORY_RECORDS);
    if (offset & 7 || offset < directoryEnd || <u64>offset + <u64>records * stride > bytes) return 6;
    const start = base + offset;
    if (kind == SECTION_STRINGS) {
      if (view.strings) return 9;
      if (stride != 1) return 7;
      view.strings = start;
      view.stringBytes = records;
    } else if (kind == SECTION_ENDPOINTS) {
      if (view.endpoints) return 9;
      if (stride < ENDPOINT_BYTES || stride & 7) return 7;
      if (records > MAX_ENDPOINTS) return 8;
      view.endpoints = start;
      view.endpointCount = records;
      view.endpointStride = stride;
    } else if (kind == SECTION_MODELS) {
      if (view.models) return 9;
      if (stride < MODEL_BYTES || stride & 7) return 7;
      if (records > MAX_MODELS) return 8;
      view.models = start;
      view.modelCount = records;
      view.modelStride = stride;
    } else if (kind == SECTION_MODEL_ENDPOINTS) {
      if (view.links) return 9;
      if (stride < MODEL_ENDPOINT_BYTES || stride & 7) return 7;
      if (records > MAX_MODEL_ENDPOINTS) return 8;
      view.links = start;
      view.linkCount = records;
      view.linkStride = stride;
    } else if (kind == SECTION_PLACES) {
      if (view.places) return 9;
      if (stride < PLACE_BYTES || stride & 7) return 7;
      if (records > MAX_PLACES) return 8;
      view.places = start;
      view.placeCount = records;
      view.placeStride = stride;
    } else if (kind == SECTION_POLICIES) {
      if (view.policies) return 9;
      if (stride < POLICY_BYTES || stride & 7) return 7;
      if (records > MAX_POLICIES) return 8;
      view.policies = start;
      view.policyCount = records;
      view.policyStride = stride;
    } else if (kind == SECTION_POOLS) {
      if (view.pools) return 9;
      if (stride < POOL_BYTES || stride & 7) return 7;
      if (records > MAX_POOLS) return 8;
      view.pools = start;
      view.poolCount = records;
      view.poolStride = stride;
    } else if (kind == SECTION_OBJECTIVES) {
      if (view.objectives) return 9;
      if (stride < OBJECTIVE_BYTES || stride & 7) return 7;
      if (records > MAX_OBJECTIVES) return 8;
      view.objectives = start;
      view.objectiveCount = records;
      view.objectiveStride = stride;
    } else if (kind == SECTION_RULES) {
      if (view.rules) return 9;
      if (stride < RULE_BYTES || stride & 7) return 7;
      if (records > MAX_RULE_TARGETS) return 8;
      view.rules = start;
      view.ruleCount = records;
      view.ruleStride = stride;
    } else if (kind == SECTION_REMOTE) {
      const remote = openRemote(view, start, stride, records);
      if (remote != 0) return remote;
    } else if (kind == SECTION_PREFIXES) {
      const prefixes = openPrefixes(view, start, stride, records);
      if (prefixes != 0) return prefixes;
    }
  }
  return 0;
}

function inStrings(view: SnapshotView, offset: u32, length: u32): bool {
  return <u64>offset + length <= view.stringBytes;
}

function verifyEndpoints(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const offset = load<u32>(view.endpoint(i), ENDPOINT_ADDRESS_OFFSET);
    const length: u32 = load<u16>(view.endpoint(i), ENDPOINT_ADDRESS_LENGTH);
    if (length > MAX_ADDRESS_BYTES || !inStrings(view, offset, length)) return 11;
    if (!isAddress(view.address(i), length)) return 12;
    const kv = view.kvUsage(i);
    if (kv < 0 || kv > 1) return 22;
    if (i > 0 && compareBytes(view.address(i - 1), view.addressLength(i - 1), view.address(i), length) >= 0) return 13;
  }
  return 0;
}

function verifyModels(view: SnapshotView): u32 {
  // Ranges may overlap: without a bound on their sum, 1 MiB could ask for 2^28 steps.
  let served: u64 = 0;
  for (let i: u32 = 0; i < view.modelCount; i++) {
    const offset = load<u32>(view.model(i), MODEL_NAME_OFFSET);
    const length: u32 = load<u16>(view.model(i), MODEL_NAME_LENGTH);
    if (length == 0 || length > MAX_MODEL_NAME_BYTES || !inStrings(view, offset, length)) return 14;
    if (!isName(view.modelName(i), length)) return 15;
    if (i > 0) {
      const order = compareBytes(view.modelName(i - 1), view.modelNameLength(i - 1), view.modelName(i), length);
      if (order >= 0) return 16;
    }
    served += view.modelEndpoints(i);
    if (served > MAX_MODEL_ENDPOINTS) return 25;
    const links = verifyLinks(view, i);
    if (links != 0) return links;
    const base = verifyBase(view, i);
    if (base != 0) return base;
  }
  return 0;
}

function verifyLinks(view: SnapshotView, model: u32): u32 {
  const first = view.modelFirst(model);
  const count = view.modelEndpoints(model);
  if (<u64>first + count > view.linkCount) return 17;
  for (let k: u32 = 0; k < count; k++) {
    const endpoint = view.linkEndpoint(first + k);
    if (endpoint >= view.endpointCount) return 18;
    if (k > 0 && view.linkEndpoint(first + k - 1) >= endpoint) return 19;
    if (load<u8>(view.links + (first + k) * view.linkStride, MODEL_ENDPOINT_STATE) > ADAPTER_WAITING) return 24;
  }
  return 0;
}

function verifyBase(view: SnapshotView, model: u32): u32 {
  const kind = view.modelKind(model);
  if (kind != MODEL_IS_BASE && kind != MODEL_IS_ADAPTER) return 20;
  const base = view.modelBase(model);
  if (kind == MODEL_IS_BASE) return base == model ? 0 : 21;
  if (base == NONE) return 0;
  return base < view.modelCount && view.modelKind(base) == MODEL_IS_BASE ? 0 : 21;
}
