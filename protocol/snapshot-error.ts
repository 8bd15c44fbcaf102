import { CODE_MALFORMED } from "./constants.ts";
import { LAST_RULE, ruleCode, VALID } from "./rules.ts";

/** Says why bytes or a view are no valid snapshot or traffic report: the field, its value, and the expected value. */
export class SnapshotError extends Error {
  readonly code = CODE_MALFORMED;
  /** Number of the broken rule in rules.ts; VALID if no rule is about the field, as in a traffic report. */
  readonly rule: number;
  readonly field: string;
  readonly expected: string;

  constructor(rule: number, field: string, value: unknown, expected: string) {
    const named = rule === VALID || rule > LAST_RULE ? "" : ` (rule ${rule}, ${ruleCode(rule)})`;
    super(`${field}: got ${shown(value)}, expected ${expected}${named}`);
    this.name = "SnapshotError";
    this.rule = rule;
    this.field = field;
    this.expected = expected;
  }
}

function shown(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
