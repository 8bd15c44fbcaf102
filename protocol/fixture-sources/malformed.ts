// Snapshots that must be refused whole: each is a golden one with a single thing wrong.
import type { SnapshotView } from "../snapshot.ts";
import { GOLDEN } from "./golden.ts";
import { type Case, edited } from "./malformed-case.ts";
import { CORE_CASES } from "./malformed-core.ts";
import { OBJECT_CASES } from "./malformed-objects.ts";
import { PLACE_CASES } from "./malformed-places.ts";
import { TRAFFIC_CASES } from "./malformed-traffic.ts";

interface Malformed {
  name: string;
  /** Number of the rule of rules.ts that is broken. */
  rule: number;
  /** What is wrong, in words. */
  wrong: string;
  /** How the decoder's error begins. */
  field: string;
  bytes: Uint8Array;
}

export function malformedSet(): Malformed[] {
  const made = (golden: string, cases: readonly Case[]): Malformed[] =>
    cases.map(([name, rule, wrong, field, edit]) => {
      return { name, rule, wrong, field, bytes: edited(GOLDEN[golden] as SnapshotView, edit) };
    });
  return [
    ...made("adapters", CORE_CASES),
    ...made("places", PLACE_CASES),
    ...made("objects", OBJECT_CASES),
    ...made("exchange", TRAFFIC_CASES),
  ];
}
