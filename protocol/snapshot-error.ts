/** A snapshot that breaks a rule of the README: which field, what it held, what was expected there. */
export class SnapshotError extends Error {
  readonly code = "snapshot_malformed";
  readonly field: string;
  readonly expected: string;

  constructor(field: string, value: unknown, expected: string) {
    super(`${field}: got ${shown(value)}, expected ${expected}`);
    this.name = "SnapshotError";
    this.field = field;
    this.expected = expected;
  }
}

function shown(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
