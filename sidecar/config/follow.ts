// Reads the configuration file again when it changes, and at once on SIGHUP. A mounted ConfigMap changes by swapping a link.
// The file's status shows such a change; a watch of the file itself does not.
import { unwatchFile, watchFile } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "./load.ts";
import type { Config } from "./schema.ts";

const LOOK_MS = 1000;

interface Follower {
  /** Uses a new configuration. Resolves when it is in use. If it rejects, the old configuration stays in use. */
  reload(config: Config): Promise<void>;
  /** The file is wrong, so the old configuration stays in use. `problems` has a line for each problem. */
  refused(problems: readonly string[]): void;
}

/** `load` reads the file and the flags, and throws a ConfigError for a wrong configuration. */
export class ConfigFile {
  readonly #file: string;
  readonly #load: () => Config;
  readonly #follower: Follower;
  #taken: Config;

  constructor(file: string, taken: Config, load: () => Config, follower: Follower) {
    this.#file = file;
    this.#taken = taken;
    this.#load = load;
    this.#follower = follower;
    watchFile(file, { interval: LOOK_MS, persistent: false }, () => void this.again());
  }

  /** Reads the file now. */
  async again(): Promise<void> {
    try {
      const config = this.#load();
      if (isDeepStrictEqual(config, this.#taken)) return;
      await this.#follower.reload(config);
      this.#taken = config;
    } catch (error) {
      this.#follower.refused(error instanceof ConfigError ? error.problems : [(error as Error).message]);
    }
  }

  close(): void {
    unwatchFile(this.#file);
  }
}
