// The secrets that filters may have, in order of preference. While a secret is being replaced, some Envoys have the old
// secret and some the new one. The secret that an Envoy accepted last is tried first, then the other secrets
// (docs/how-to/secrets.md).
import { readFileSync } from "node:fs";
import { ConfigError } from "../config/load.ts";
import { SECRET } from "../config/push.ts";
import type { Log } from "../log.ts";
import { stampOf } from "./file-stamp.ts";

const LOOK_EVERY_MS = 1000;
const MAX_SECRETS = 4;

export class Secrets {
  readonly #file: string | undefined;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout | undefined;
  #stamp = "";
  #secrets: readonly string[];

  /** Throws a ConfigError if `file` is given and has no valid secret. */
  constructor(secrets: readonly string[], file: string | undefined, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#secrets = secrets;
    if (file === undefined) return;
    try {
      this.#stamp = stampOf(file);
      this.#secrets = read(file);
    } catch (error) {
      throw new ConfigError([`push.secretFile: got ${JSON.stringify(file)}, expected ${(error as Error).message}`]);
    }
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Returns the secrets in the order to try: `worked`, the secret that was accepted last, then the others. */
  inTurn(worked: string | undefined): readonly string[] {
    const known = this.#secrets.includes(worked ?? "");
    return known ? [worked as string, ...this.#secrets.filter((one) => one !== worked)] : this.#secrets;
  }

  /** Reads the file if it has changed. While the file is not valid, its last secrets stay in use. */
  look(): void {
    if (this.#file === undefined) return;
    try {
      const stamp = stampOf(this.#file);
      if (stamp === this.#stamp) return;
      this.#secrets = read(this.#file);
      this.#stamp = stamp;
      this.#log.info({ file: this.#file, secrets: this.#secrets.length }, "secrets read again");
    } catch (error) {
      this.#log.warn(
        { file: this.#file, expected: (error as Error).message },
        "secrets not read: the last secrets stay in use",
      );
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Reads the secrets. Throws an Error that says what was expected, and never shows the content. */
function read(file: string): string[] {
  const secrets = readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (secrets.length < 1 || secrets.length > MAX_SECRETS || !secrets.every((one) => SECRET.test(one)))
    throw new Error(`1 to ${MAX_SECRETS} lines of 1...1024 visible ASCII characters`);
  return secrets;
}
