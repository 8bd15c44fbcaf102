/** A part of `make run` did not start or ended. The error has the part, the reason, a hint and the part's last lines. */
export class RunError extends Error {
  readonly hint: string | undefined;
  readonly log: readonly string[];

  constructor(message: string, hint?: string, log: readonly string[] = []) {
    super(message);
    this.name = "RunError";
    this.hint = hint;
    this.log = log;
  }

  /** The text for people. */
  describe(): string {
    const lines = [this.message];
    if (this.hint) lines.push(`  ${this.hint}`);
    if (this.log.length > 0) lines.push("  its last lines:", ...this.log.map((line) => `    ${line}`));
    return lines.join("\n");
  }
}
