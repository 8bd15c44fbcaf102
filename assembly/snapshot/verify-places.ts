// The optional sections PLACES and POLICIES: checked like the others, before a byte of them is used.
import {
  MAX_MODEL_NAME_BYTES,
  MAX_PLACE_NAME_BYTES,
  PLACE_NAME_OFFSET,
  POLICY_IS_IN_FLIGHT,
  POLICY_IS_UTILIZATION,
  POLICY_NAME_OFFSET,
} from "../../protocol/constants";
import { isName } from "./name";
import { compareBytes, NONE, SnapshotView } from "./view";

export function placeRuleText(rule: u32): string {
  switch (rule) {
    case 40:
      return "a place's name is outside STRINGS, or not 1 to 63 letters, digits, - and _";
    case 41:
      return "places or policies are not strictly ascending by name";
    case 42:
      return "an endpoint's place is outside PLACES, or a model's policy outside POLICIES";
    case 43:
      return "a policy's name is outside STRINGS, empty, longer than 256 bytes or no text";
    default:
      return "a policy's mode is unknown, its target not above 0 and at most 1, or its requests in flight 0";
  }
}

/** 0, or the number of the broken rule. */
export function verifyPlaces(view: SnapshotView): u32 {
  for (let i: u32 = 0; i < view.placeCount; i++) {
    const length = view.placeNameLength(i);
    if (!inStrings(view, load<u32>(view.place(i), PLACE_NAME_OFFSET), length)) return 40;
    if (!isPlaceName(view.placeName(i), length)) return 40;
    if (i == 0) continue;
    if (compareBytes(view.placeName(i - 1), view.placeNameLength(i - 1), view.placeName(i), length) >= 0) return 41;
  }
  for (let i: u32 = 0; i < view.policyCount; i++) {
    const policy = verifyPolicy(view, i);
    if (policy != 0) return policy;
  }
  for (let i: u32 = 0; i < view.endpointCount; i++) {
    const place = view.endpointPlace(i);
    if (place != NONE && place >= view.placeCount) return 42;
  }
  for (let i: u32 = 0; i < view.modelCount; i++) {
    const policy = view.modelPolicy(i);
    if (policy != NONE && policy >= view.policyCount) return 42;
  }
  return 0;
}

function verifyPolicy(view: SnapshotView, i: u32): u32 {
  const length = view.policyNameLength(i);
  if (length == 0 || length > MAX_MODEL_NAME_BYTES) return 43;
  if (!inStrings(view, load<u32>(view.policy(i), POLICY_NAME_OFFSET), length)) return 43;
  if (!isName(view.policyName(i), length)) return 43;
  if (i > 0) {
    const order = compareBytes(view.policyName(i - 1), view.policyNameLength(i - 1), view.policyName(i), length);
    if (order >= 0) return 41;
  }
  const mode = view.policyMode(i);
  if (mode > POLICY_IS_IN_FLIGHT) return 44;
  const target = view.policyTarget(i);
  if (mode == POLICY_IS_UTILIZATION && !(target > 0 && target <= 1)) return 44;
  return mode == POLICY_IS_IN_FLIGHT && view.policyMostInFlight(i) == 0 ? 44 : 0;
}

function inStrings(view: SnapshotView, offset: u32, length: u32): bool {
  return <u64>offset + length <= view.stringBytes;
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
