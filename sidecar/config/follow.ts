// Takes the configuration file over again when it changes, or at once when asked to (SIGHUP). A mounted ConfigMap changes
// by a link that is swapped, which its file's status shows and a watch of the file itself does not.
import { unwatchFile, watchFile } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { ConfigError } from "./load.ts";
import type { Config } from "./schema.ts";

const LOOK_MS = 1000;

interface Follower {
  /** Resolves when the configuration is taken over. Rejects, and the old one goes on. */
  reload(config: Config): Promise<void>;
  /** The file's content is not taken over; a line for each problem. */
  refused(problems: readonly string[]): void;
}

/** `load` reads the file with the flags laid over it; throws ConfigError. */
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

  /** Looks at the file now. */
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
