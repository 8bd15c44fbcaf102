// Verifies the optional sections PLACES and POLICIES, the places of endpoints, and the policies of models.

import {
  MAX_MODEL_NAME_BYTES,
  MAX_PLACE_NAME_BYTES,
  PLACE_NAME_OFFSET,
  POLICY_IS_IN_FLIGHT,
  POLICY_IS_UTILIZATION,
  POLICY_NAME_OFFSET,
} from "../../protocol/constants";
import {
  BROKEN_PLACE_INDEX,
  BROKEN_PLACE_NAME,
  BROKEN_PLACE_ORDER,
  BROKEN_POLICY_INDEX,
  BROKEN_POLICY_LIMIT,
  BROKEN_POLICY_MODE,
  BROKEN_POLICY_NAME,
  BROKEN_POLICY_ORDER,
  VALID,
} from "../../protocol/rules";
import { compareBytes } from "../base/bytes";
import { inStrings, isNameAt } from "./valid-name";
import { NONE, SnapshotView } from "./view";

/** Returns VALID, or the number of the first broken rule. The endpoints and models must be verified before. */
export function verifyPlaces(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.placeCount; i++) {
    const length = view.placeNameLength(i);
    if (!inStrings(view, load<u32>(view.place(i), PLACE_NAME_OFFSET), length)) return BROKEN_PLACE_NAME;
    if (!isPlaceName(view.placeName(i), length)) return BROKEN_PLACE_NAME;
    if (i == 0) continue;
    const order = compareBytes(view.placeName(i - 1), view.placeNameLength(i - 1), view.placeName(i), length);
    if (order >= 0) return BROKEN_PLACE_ORDER;
  }
  for (let i: u32 = 0; i < view.policyCount; i++) {
    const policy = verifyPolicy(view, i);
    if (policy != VALID) return policy;
  }
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const place = view.endpointPlace(i);
    if (place != NONE && place >= view.placeCount) return BROKEN_PLACE_INDEX;
  }
  for (let i: u32 = 0; i < view.modelCount; i++) {
    const policy = view.modelPolicy(i);
    if (policy != NONE && policy >= view.policyCount) return BROKEN_POLICY_INDEX;
  }
  return VALID;
}

function verifyPolicy(view: SnapshotView, i: u32): u32 {
  const length = view.policyNameLength(i);
  const offset = load<u32>(view.policy(i), POLICY_NAME_OFFSET);
  if (!isNameAt(view, offset, length, MAX_MODEL_NAME_BYTES)) return BROKEN_POLICY_NAME;
  if (i > 0) {
    const order = compareBytes(view.policyName(i - 1), view.policyNameLength(i - 1), view.policyName(i), length);
    if (order >= 0) return BROKEN_POLICY_ORDER;
  }
  const mode = view.policyMode(i);
  if (mode > POLICY_IS_IN_FLIGHT) return BROKEN_POLICY_MODE;
  const target = view.policyTarget(i);
  if (mode == POLICY_IS_UTILIZATION && !(target > 0 && target <= 1)) return BROKEN_POLICY_LIMIT;
  return mode == POLICY_IS_IN_FLIGHT && view.policyMaxInFlight(i) == 0 ? BROKEN_POLICY_LIMIT : VALID;
}

function isPlaceName(text: usize, length: u32): bool {
  if (length == 0 || length > MAX_PLACE_NAME_BYTES) return false;
  for (let i: u32 = 0; i < length; i++) {
    const c: u32 = load<u8>(text + i);
    const letter = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
    if (!letter && !(c >= 0x30 && c <= 0x39) && c != 0x2d && c != 0x5f) return false;
  }
  return true;
}
