// PLACES and POLICIES, both directions: the two optional sections, and what endpoints and models say of them.
import * as c from "./constants.ts";
import { type Named, sortedByBytes } from "./order.ts";
import {
  type EndpointView,
  isPlaceName,
  type ModelView,
  nameProblem,
  type PlaceView,
  type PolicyMode,
  type PolicyView,
  SnapshotError,
  type SnapshotView,
} from "./snapshot.ts";

const MODES: readonly PolicyMode[] = ["order", "utilization", "in-flight"];

export interface LaidPlaces {
  /** Kind, stride, records of the sections that are needed. */
  sections: Array<[kind: number, stride: number, records: number]>;
  stringBytes: number;
  /** What an endpoint's and a model's record hold: 1 + index, or 0. */
  placeNumber(endpoint: EndpointView): number;
  policyNumber(model: ModelView): number;
  /** `string`: how much of STRINGS is written before. */
  write(out: DataView, offsetOf: (kind: number) => number, stringsAt: number, string: number): void;
}

function numbersOf(sorted: ReadonlyArray<Named<{ name: string }>>): (name: string | undefined) => number {
  const numbers = new Map(sorted.map(({ item }, i) => [item.name, i + 1]));
  return (name) => (name === undefined ? 0 : (numbers.get(name) ?? 0));
}

export function layPlaces(view: SnapshotView): LaidPlaces {
  const places = sortedByBytes<PlaceView>(view.places ?? [], ({ name }) => name);
  const policies = sortedByBytes<PolicyView>(view.policies ?? [], ({ name }) => name);
  const sections: LaidPlaces["sections"] = [];
  if (places.length > 0) sections.push([c.KIND_PLACES, c.PLACE_BYTES, places.length]);
  if (policies.length > 0) sections.push([c.KIND_POLICIES, c.POLICY_BYTES, policies.length]);
  const placeNumber = numbersOf(places);
  const policyNumber = numbersOf(policies);
  const named = [...places, ...policies];
  return {
    sections,
    stringBytes: named.reduce((sum, { bytes }) => sum + bytes.length, 0),
    placeNumber: ({ place }) => placeNumber(place),
    policyNumber: ({ policy }) => policyNumber(policy),
    write(out, offsetOf, stringsAt, string) {
      const body = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
      let text = string;
      const writeName = (at: number, bytes: Buffer): void => {
        out.setUint32(at, text, true);
        out.setUint16(at + 4, bytes.length, true);
        body.set(bytes, stringsAt + text);
        text += bytes.length;
      };
      for (const [i, { item, bytes }] of places.entries()) {
        const at = offsetOf(c.KIND_PLACES) + i * c.PLACE_BYTES;
        writeName(at, bytes);
        out.setUint32(at + c.PLACE_ORDER, item.order, true);
        out.setUint32(at + c.PLACE_ROUND_TRIP, item.roundTripUs ?? c.UNKNOWN, true);
        out.setUint32(at + c.PLACE_WEIGHT, item.weight, true);
      }
      for (const [i, { item, bytes }] of policies.entries()) {
        const at = offsetOf(c.KIND_POLICIES) + i * c.POLICY_BYTES;
        writeName(at, bytes);
        out.setUint8(at + c.POLICY_MODE, MODES.indexOf(item.mode));
        out.setUint8(at + c.POLICY_FLAGS, (item.dryRun ? c.POLICY_DRY_RUN : 0) | (item.short ? c.POLICY_SHORT : 0));
        out.setFloat32(at + c.POLICY_TARGET, item.target ?? 0, true);
        out.setUint32(at + c.POLICY_MOST_IN_FLIGHT, item.mostInFlight ?? 0, true);
        out.setUint32(at + c.POLICY_TIMEOUT, item.timeoutMs ?? 0, true);
      }
    },
  };
}

interface Section {
  offset: number;
  stride: number;
  records: number;
}

/** Reads a name of STRINGS and checks that it is above the one before. */
export type ReadName = (field: string, offset: number, length: number, max: number, before: string | null) => string;

export function readPlaces(view: DataView, section: Section | undefined, readName: ReadName): PlaceView[] {
  let before: string | null = null;
  return Array.from({ length: section?.records ?? 0 }, (_, i): PlaceView => {
    const at = (section as Section).offset + i * (section as Section).stride;
    const [offset, length] = [view.getUint32(at, true), view.getUint16(at + 4, true)];
    const name = readName(`places[${i}].name`, offset, length, c.MAX_PLACE_NAME_BYTES, before);
    if (!isPlaceName(name)) throw new SnapshotError(`places[${i}].name`, name, "1...63 letters, digits, - and _");
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
    const name = readName(`${field}.name`, offset, length, c.MAX_MODEL_NAME_BYTES, before);
    const problem = nameProblem(name);
    if (problem !== null) throw new SnapshotError(`${field}.name`, name, problem);
    before = name;
    const mode = MODES[view.getUint8(at + c.POLICY_MODE)];
    if (mode === undefined) throw new SnapshotError(`${field}.mode`, view.getUint8(at + c.POLICY_MODE), "0, 1 or 2");
    const flags = view.getUint8(at + c.POLICY_FLAGS);
    const target = view.getFloat32(at + c.POLICY_TARGET, true);
    if (mode === "utilization" && !(target > 0 && target <= 1)) {
      throw new SnapshotError(`${field}.target`, target, "a number above 0, at most 1");
    }
    const most = view.getUint32(at + c.POLICY_MOST_IN_FLIGHT, true);
    if (mode === "in-flight" && most === 0) throw new SnapshotError(`${field}.mostInFlight`, most, "at least 1");
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

/** The name that a record's 1 + index stands for; undefined for 0. */
export function namedAt(field: string, number: number, named: ReadonlyArray<{ name: string }>): string | undefined {
  if (number === 0) return undefined;
  const found = named[number - 1]?.name;
  if (found === undefined) throw new SnapshotError(field, number, `0...${named.length}`);
  return found;
}
