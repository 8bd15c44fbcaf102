// Encodes the optional sections PLACES and POLICIES, and the indexes into them.
import * as c from "./constants.ts";
import { type Named, sortedByBytes } from "./grammar.ts";
import type { EndpointView, ModelView, PlaceView, PolicyMode, PolicyView, SnapshotView } from "./snapshot.ts";

export const MODE_NUMBERS: Readonly<Record<PolicyMode, number>> = {
  order: c.POLICY_IS_ORDER,
  utilization: c.POLICY_IS_UTILIZATION,
  "in-flight": c.POLICY_IS_IN_FLIGHT,
};

interface LaidPlaces {
  /** Kind, stride and number of records of each section that the view has. */
  sections: Array<[kind: number, stride: number, records: number]>;
  stringBytes: number;
  /** The number for the record of an endpoint or model: 1 + the index of its place or policy, or 0. */
  placeNumber(endpoint: EndpointView): number;
  policyNumber(model: ModelView): number;
  /** Writes the records and their names. `string` is the number of bytes of STRINGS that are already written. */
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
  if (places.length > 0) sections.push([c.SECTION_PLACES, c.PLACE_BYTES, places.length]);
  if (policies.length > 0) sections.push([c.SECTION_POLICIES, c.POLICY_BYTES, policies.length]);
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
        const at = offsetOf(c.SECTION_PLACES) + i * c.PLACE_BYTES;
        writeName(at, bytes);
        out.setUint32(at + c.PLACE_ORDER, item.order, true);
        out.setUint32(at + c.PLACE_ROUND_TRIP, item.roundTripUs ?? c.UNKNOWN, true);
        out.setUint32(at + c.PLACE_WEIGHT, item.weight, true);
      }
      for (const [i, { item, bytes }] of policies.entries()) {
        const at = offsetOf(c.SECTION_POLICIES) + i * c.POLICY_BYTES;
        writeName(at, bytes);
        out.setUint8(at + c.POLICY_MODE, MODE_NUMBERS[item.mode]);
        out.setUint8(at + c.POLICY_FLAGS, (item.dryRun ? c.POLICY_DRY_RUN : 0) | (item.short ? c.POLICY_SHORT : 0));
        out.setFloat32(at + c.POLICY_TARGET, item.target ?? 0, true);
        out.setUint32(at + c.POLICY_MAX_IN_FLIGHT, item.mostInFlight ?? 0, true);
        out.setUint32(at + c.POLICY_TIMEOUT, item.timeoutMs ?? 0, true);
      }
    },
  };
}
