// Decodes and checks the optional sections PLACES and POLICIES.

import * as c from "./constants.ts";
import type { Section } from "./decode-directory.ts";
import { MODE_NUMBERS } from "./encode-places.ts";
import { isPlaceName, nameProblem } from "./grammar.ts";
import {
  BROKEN_PLACE_NAME,
  BROKEN_PLACE_ORDER,
  BROKEN_POLICY_LIMIT,
  BROKEN_POLICY_MODE,
  BROKEN_POLICY_NAME,
  BROKEN_POLICY_ORDER,
} from "./rules.ts";
import type { PlaceView, PolicyMode, PolicyView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

/** Reads a name from STRINGS and checks that its bytes are above those of the name `before`. */
export type ReadName = (
  rules: { name: number; order: number },
  field: string,
  offset: number,
  length: number,
  max: number,
  before: string | null,
) => string;

const MODES = Object.keys(MODE_NUMBERS) as PolicyMode[];
const PLACE_RULES = { name: BROKEN_PLACE_NAME, order: BROKEN_PLACE_ORDER };
const POLICY_RULES = { name: BROKEN_POLICY_NAME, order: BROKEN_POLICY_ORDER };

export function readPlaces(view: DataView, section: Section | undefined, readName: ReadName): PlaceView[] {
  let before: string | null = null;
  return Array.from({ length: section?.records ?? 0 }, (_, i): PlaceView => {
    const at = (section as Section).offset + i * (section as Section).stride;
    const [offset, length] = [view.getUint32(at, true), view.getUint16(at + 4, true)];
    const name = readName(PLACE_RULES, `places[${i}].name`, offset, length, c.MAX_PLACE_NAME_BYTES, before);
    if (!isPlaceName(name))
      throw new SnapshotError(BROKEN_PLACE_NAME, `places[${i}].name`, name, "1...63 letters, digits, - and _");
    before = name;
    const roundTrip = view.getUint32(at + c.PLACE_ROUND_TRIP, true);
    return {
      name,
      order: view.getUint32(at + c.PLACE_ORDER, true),
      roundTripUs: roundTrip === c.UNKNOWN ? null : roundTrip,
      weight: view.getUint32(at + c.PLACE_WEIGHT, true),
    };
  });
}

export function readPolicies(view: DataView, section: Section | undefined, readName: ReadName): PolicyView[] {
  let before: string | null = null;
  return Array.from({ length: section?.records ?? 0 }, (_, i): PolicyView => {
    const at = (section as Section).offset + i * (section as Section).stride;
    const [offset, length] = [view.getUint32(at, true), view.getUint16(at + 4, true)];
    const field = `policies[${i}]`;
    const name = readName(POLICY_RULES, `${field}.name`, offset, length, c.MAX_MODEL_NAME_BYTES, before);
    const problem = nameProblem(name);
    if (problem !== null) throw new SnapshotError(BROKEN_POLICY_NAME, `${field}.name`, name, problem);
    before = name;
    const number = view.getUint8(at + c.POLICY_MODE);
    const mode = MODES.find((each) => MODE_NUMBERS[each] === number);
    if (mode === undefined) throw new SnapshotError(BROKEN_POLICY_MODE, `${field}.mode`, number, "0, 1 or 2");
    const flags = view.getUint8(at + c.POLICY_FLAGS);
    const target = view.getFloat32(at + c.POLICY_TARGET, true);
    if (mode === "utilization" && !(target > 0 && target <= 1)) {
      throw new SnapshotError(BROKEN_POLICY_LIMIT, `${field}.target`, target, "a number above 0, at most 1");
    }
    const most = view.getUint32(at + c.POLICY_MAX_IN_FLIGHT, true);
    if (mode === "in-flight" && most === 0)
      throw new SnapshotError(BROKEN_POLICY_LIMIT, `${field}.mostInFlight`, most, "at least 1");
    return {
      name,
      mode,
      target: mode === "utilization" ? target : null,
      mostInFlight: mode === "in-flight" ? most : null,
      timeoutMs: view.getUint32(at + c.POLICY_TIMEOUT, true) || null,
      dryRun: (flags & c.POLICY_DRY_RUN) !== 0,
      short: (flags & c.POLICY_SHORT) !== 0,
    };
  });
}

/** Returns the name of a place or policy. `number` is 1 + its index in `named`; for 0 the function returns undefined. */
export function namedAt(
  rule: number,
  field: string,
  number: number,
  named: ReadonlyArray<{ name: string }>,
): string | undefined {
  if (number === 0) return undefined;
  const found = named[number - 1]?.name;
  if (found === undefined) throw new SnapshotError(rule, field, number, `0...${named.length}`);
  return found;
}
