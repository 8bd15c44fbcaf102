// Verifies a pushed snapshot whole before any part of it is used. After verify() returned VALID, every offset, index and text that
// view.ts can reach is inside the bytes. protocol/rules.ts has the rules.

import {
  ADAPTER_WAITING,
  DIRECTORY_ENTRY_BYTES,
  ENDPOINT_ADDRESS_LENGTH,
  ENDPOINT_ADDRESS_OFFSET,
  HEADER_BYTES,
  HEADER_MAGIC,
  HEADER_MAJOR,
  HEADER_SECTION_COUNT,
  HEADER_TOTAL_BYTES,
  HEADER_VERSION,
  MAGIC,
  MAJOR,
  MAX_ADDRESS_BYTES,
  MAX_MODEL_ENDPOINTS,
  MAX_MODEL_NAME_BYTES,
  MAX_SECTIONS,
  MODEL_ENDPOINT_STATE,
  MODEL_IS_ADAPTER,
  MODEL_IS_BASE,
  MODEL_NAME_OFFSET,
} from "../../protocol/constants";
import {
  BROKEN_BODY_LENGTH,
  BROKEN_DIRECTORY,
  BROKEN_ENDPOINT_ADDRESS,
  BROKEN_ENDPOINT_KV_USAGE,
  BROKEN_ENDPOINT_ORDER,
  BROKEN_MAGIC,
  BROKEN_MAJOR,
  BROKEN_MODEL_BASE,
  BROKEN_MODEL_KIND,
  BROKEN_MODEL_NAME,
  BROKEN_MODEL_ORDER,
  BROKEN_MODEL_RANGE,
  BROKEN_MODEL_TOTAL,
  BROKEN_SERVED_INDEX,
  BROKEN_SERVED_ORDER,
  BROKEN_SERVED_STATE,
  BROKEN_TOTAL_BYTES,
  BROKEN_VERSION,
  VALID,
} from "../../protocol/rules";
import { compareBytes } from "../base/bytes";
import { isAddress } from "./address";
import { openSections } from "./section-table";
import { inStrings, isNameAt } from "./valid-name";
import { verifyCached } from "./verify-cached";
import { verifyCosts } from "./verify-costs";
import { verifyObjects } from "./verify-objects";
import { verifyPlaces } from "./verify-places";
import { verifyTraffic } from "./verify-traffic";
import { NONE, SnapshotView } from "./view";

/** Verifies the `bytes` bytes at `base` and opens `view` on them. Returns VALID, or the number of the first broken rule. */
export function verify(view: SnapshotView, base: usize, bytes: u32): u32 {
  let broken = verifyHeader(base, bytes);
  if (broken == VALID) broken = openSections(view, base, bytes);
  if (broken == VALID) broken = verifyEndpoints(view);
  if (broken == VALID) broken = verifyModels(view);
  if (broken == VALID) broken = verifyObjects(view);
  if (broken == VALID) broken = verifyPlaces(view);
  if (broken == VALID) broken = verifyCosts(view);
  if (broken == VALID) broken = verifyTraffic(view);
  return broken == VALID ? verifyCached(view) : broken;
}

function verifyHeader(base: usize, bytes: u32): u32 {
  if (bytes < HEADER_BYTES) return BROKEN_BODY_LENGTH;
  if (load<u32>(base, HEADER_MAGIC) != MAGIC) return BROKEN_MAGIC;
  if (load<u16>(base, HEADER_MAJOR) != MAJOR) return BROKEN_MAJOR;
  if (load<u32>(base, HEADER_TOTAL_BYTES) != bytes) return BROKEN_TOTAL_BYTES;
  const sections = load<u32>(base, HEADER_SECTION_COUNT);
  if (sections > MAX_SECTIONS || HEADER_BYTES + sections * DIRECTORY_ENTRY_BYTES > bytes) return BROKEN_DIRECTORY;
  return load<u64>(base, HEADER_VERSION) == 0 ? BROKEN_VERSION : VALID;
}

function verifyEndpoints(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const offset = load<u32>(view.endpoint(i), ENDPOINT_ADDRESS_OFFSET);
    const length: u32 = load<u16>(view.endpoint(i), ENDPOINT_ADDRESS_LENGTH);
    if (length > MAX_ADDRESS_BYTES || !inStrings(view, offset, length)) return BROKEN_ENDPOINT_ADDRESS;
    if (!isAddress(view.address(i), length)) return BROKEN_ENDPOINT_ADDRESS;
    const kv = view.kvUsage(i);
    if (kv < 0 || kv > 1) return BROKEN_ENDPOINT_KV_USAGE;
    if (i == 0) continue;
    const order = compareBytes(view.address(i - 1), view.addressLength(i - 1), view.address(i), length);
    if (order >= 0) return BROKEN_ENDPOINT_ORDER;
  }
  return VALID;
}

function verifyModels(view: SnapshotView): u32 {
  // Ranges may overlap. Without a limit of their sum, a snapshot of 1 MiB could cause 2^28 steps.
  let served: u64 = 0;
  for (let i: u32 = 0; i < view.modelCount; i++) {
    const offset = load<u32>(view.model(i), MODEL_NAME_OFFSET);
    const length = view.modelNameLength(i);
    if (!isNameAt(view, offset, length, MAX_MODEL_NAME_BYTES)) return BROKEN_MODEL_NAME;
    if (i > 0) {
      const order = compareBytes(view.modelName(i - 1), view.modelNameLength(i - 1), view.modelName(i), length);
      if (order >= 0) return BROKEN_MODEL_ORDER;
    }
    served += view.modelEndpoints(i);
    if (served > MAX_MODEL_ENDPOINTS) return BROKEN_MODEL_TOTAL;
    const links = verifyLinks(view, i);
    if (links != VALID) return links;
    const base = verifyBase(view, i);
    if (base != VALID) return base;
  }
  return VALID;
}

function verifyLinks(view: SnapshotView, model: u32): u32 {
  const first = view.modelFirst(model);
  const count = view.modelEndpoints(model);
  if (<u64>first + count > view.linkCount) return BROKEN_MODEL_RANGE;
  for (let k: u32 = 0; k < count; k++) {
    const endpoint = view.linkEndpoint(first + k);
    if (endpoint >= view.endpointCount) return BROKEN_SERVED_INDEX;
    if (k > 0 && view.linkEndpoint(first + k - 1) >= endpoint) return BROKEN_SERVED_ORDER;
    if (load<u8>(view.links + (first + k) * view.linkStride, MODEL_ENDPOINT_STATE) > ADAPTER_WAITING)
      return BROKEN_SERVED_STATE;
  }
  return VALID;
}

function verifyBase(view: SnapshotView, model: u32): u32 {
  const kind = view.modelKind(model);
  if (kind != MODEL_IS_BASE && kind != MODEL_IS_ADAPTER) return BROKEN_MODEL_KIND;
  const base = view.modelBase(model);
  if (kind == MODEL_IS_BASE) return base == model ? VALID : BROKEN_MODEL_BASE;
  if (base == NONE) return VALID;
  return base < view.modelCount && view.modelKind(base) == MODEL_IS_BASE ? VALID : BROKEN_MODEL_BASE;
}
