/** Something of `make run` did not start or ended: which part, why, what to do, and its last lines. */
export class RunError extends Error {
  readonly hint: string | undefined;
  readonly log: readonly string[];

  constructor(message: string, hint?: string, log: readonly string[] = []) {
    super(message);
    this.name = "RunError";
    this.hint = hint;
    this.log = log;
  }

  /** As people read it. */
  describe(): string {
    const lines = [this.message];
    if (this.hint) lines.push(`  ${this.hint}`);
    if (this.log.length > 0) lines.push("  its last lines:", ...this.log.map((line) => `    ${line}`));
    return lines.join("\n");
  }
}
