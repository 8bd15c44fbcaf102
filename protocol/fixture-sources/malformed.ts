// All malformed snapshots. Each is a golden snapshot with one error, and must be refused whole.
import type { SnapshotView } from "../snapshot.ts";
import { GOLDEN } from "./golden.ts";
import { type Case, edited } from "./malformed-case.ts";
import { CORE_CASES } from "./malformed-core.ts";
import { COST_CASES } from "./malformed-costs.ts";
import { OBJECT_CASES } from "./malformed-objects.ts";
import { PLACE_CASES } from "./malformed-places.ts";
import { REFILL_CASES } from "./malformed-refill.ts";
import { TRAFFIC_CASES } from "./malformed-traffic.ts";

interface Malformed {
  name: string;
  /** Number of the broken rule in rules.ts. */
  rule: number;
  /** Says in words what is wrong. */
  wrong: string;
  /** The beginning of the decoder's error. */
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
    ...made("costs", COST_CASES),
    ...made("refill", REFILL_CASES),
  ];
}
