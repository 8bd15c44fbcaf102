// The format of the access log, and a reader that follows the log and counts picks.
import { type FileHandle, open, rename } from "node:fs/promises";

/** Fields of a JSON line. Model, pick and reason come from the filter state. */
export const ACCESS_FORMAT: Readonly<Record<string, string>> = {
  time: "%START_TIME%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(:PATH)%",
  model: "%FILTER_STATE(wasm.pilotfish.model:PLAIN)%",
  pick: "%FILTER_STATE(wasm.pilotfish.endpoint:PLAIN)%",
  reason: "%FILTER_STATE(wasm.pilotfish.reason:PLAIN)%",
  upstream: "%UPSTREAM_HOST%",
  status: "%RESPONSE_CODE%",
  milliseconds: "%DURATION%",
};

export interface AccessLine {
  time: string;
  model: string | null;
  pick: string | null;
  reason: string | null;
  upstream: string | null;
  status: number;
  milliseconds: number;
}

const CHUNK = 1 << 18;
const LAST = 3;

export class AccessLog {
  /** Picks of ended requests by address. */
  readonly picks = new Map<string, number>();
  /** The newest lines, oldest first. */
  last: AccessLine[] = [];
  readonly #path: string;
  readonly #buffer = Buffer.alloc(CHUNK);
  #file: FileHandle | undefined;
  #offset = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads new lines since the last call. */
  async read(): Promise<void> {
    this.#file ??= await open(this.#path).catch(() => undefined);
    if (!this.#file) return;
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      // latin1 splits no character at the end of a chunk; whole lines are decoded later.
      const lines = (this.#rest + this.#buffer.toString("latin1", 0, bytesRead)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#take(Buffer.from(line, "latin1").toString("utf8"));
    }
  }

  /** Renames a log that is larger than `bytes`. `reopen` makes Envoy begin a new log. */
  async rotate(bytes: number, reopen: () => Promise<void>): Promise<void> {
    if (!this.#file || this.#offset < bytes) return;
    await rename(this.#path, `${this.#path}.1`);
    await reopen();
    // Reads the lines that Envoy wrote to the old file in the meantime.
    await this.read();
    await this.close();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#offset = 0;
    this.#rest = "";
  }

  #take(text: string): void {
    let line: AccessLine;
    try {
      line = JSON.parse(text) as AccessLine;
    } catch {
      return;
    }
    if (line.pick) this.picks.set(line.pick, (this.picks.get(line.pick) ?? 0) + 1);
    this.last.push(line);
    if (this.last.length > LAST) this.last.shift();
  }
}
