// The lines about one worker beside many, one Envoy beside several, and undisturbed Envoys beside Envoys that begin anew.
import { type Reading, reading, type Verdict } from "./checks.ts";
import type { CellRuns } from "./table.ts";

interface Line {
  line: string;
  /** p90 of `subject` divided by the p90 of `beside` is at most `limit`. */
  subject: string;
  beside: string;
  limit: number;
  /** The loads to which the line applies; absent: all. */
  loads?: readonly string[];
}

/** The p90 of a disturbed contender beside the p90 of the same contender undisturbed. */
const disturbed = (subject: string, beside: string, what: string): Line => ({
  line: `${what}: p90 of ${subject} at most 1.15 of ${beside}`,
  subject,
  beside,
  limit: 1.15,
});

const LINES: readonly Line[] = [
  { line: "p90 with 16 workers at most 1.05 of one worker's", subject: "tokens-16", beside: "tokens-1", limit: 1.05 },
  { line: "p90 with 64 workers at most 1.10 of one worker's", subject: "tokens-64", beside: "tokens-1", limit: 1.1 },
  {
    line: "p90 of four Envoys with four workers each at most 1.15 of one worker's",
    subject: "tokens-4x4",
    beside: "tokens-1",
    limit: 1.15,
  },
  {
    line: "p90 of two Envoys that do not talk at most that of the single endpoint picker",
    subject: "tokens-2x2-mute",
    beside: "epp",
    limit: 1,
    loads: ["sessions", "shared-80"],
  },
  disturbed("tokens-1-restart60", "tokens-1", "one of one Envoy begins anew each minute"),
  disturbed("tokens-2-restart60", "tokens-2", "one of one Envoy begins anew each minute"),
  disturbed("tokens-2x2-restart60", "tokens-2x2", "one of two Envoys begins anew each minute"),
  disturbed("tokens-2x2-restart60-both", "tokens-2x2", "one of two Envoys and its sidecar begin anew each minute"),
  disturbed("tokens-2-vm60", "tokens-2", "the VM of one of two workers dies each minute"),
];

/** A verdict for each line whose contenders ran. */
export function spreadVerdicts(all: readonly CellRuns[]): Verdict[] {
  return LINES.flatMap(({ line, subject, beside, limit, loads }) => {
    const applies = ({ cell }: CellRuns) => loads === undefined || loads.includes(cell.load);
    const readings: Reading[] = all
      .filter(applies)
      .flatMap((runs) => reading(runs, runs.ratio(subject, [beside], "p90"), limit) ?? []);
    return readings.length === 0 ? [] : [{ line, readings }];
  });
}
