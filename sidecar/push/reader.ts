// Asks one Envoy for its report where no push brought one: as often as pushes could, or less often where there are so many
// Envoys that all of them together would ask each of them without end.
import { CODE_MALFORMED } from "../../protocol/constants.ts";
import { decodeReport, type TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Envoy } from "./envoy.ts";

interface ReaderParts {
  clock: Clock;
  log: Log;
  random: () => number;
  /** Undefined: nothing is asked for now. */
  intervalMs(): number | undefined;
  cursor(): string;
  heard(report: TrafficReport): void;
}

/** How long an Envoy is left alone that gave no report: it is away, or its filter is of another release. */
const AWAY_MS = 500;
const OTHER_RELEASE_MS = 5000;
/** How often it is looked up whether there is something to ask for. */
const LOOK_MS = 250;

export class Reader {
  readonly #envoy: Envoy;
  readonly #parts: ReaderParts;
  #timer: NodeJS.Timeout | undefined;
  #heardAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  #said = "";

  constructor(envoy: Envoy, parts: ReaderParts) {
    this.#envoy = envoy;
    this.#parts = parts;
    this.#later(0);
  }

  /** A push was answered with a report: no need to ask for a while. */
  heard(): void {
    this.#heardAt = this.#parts.clock.now();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #later(waitMs: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), waitMs);
  }

  async #look(): Promise<void> {
    const { clock, intervalMs } = this.#parts;
    const interval = intervalMs();
    if (interval === undefined) return this.#later(LOOK_MS);
    const due = this.#heardAt + interval - clock.now();
    // A timer may come a fraction of a millisecond early.
    if (due > 1) return this.#later(due);
    const wait = await this.#read();
    if (wait === 0) this.heard();
    this.#later(wait === 0 ? interval : wait * (0.75 + this.#parts.random() / 2));
  }

  /** How long to wait before the next one; 0 the usual time. */
  async #read(): Promise<number> {
    const { cursor, heard } = this.#parts;
    try {
      const { status, body } = await this.#envoy.report(cursor());
      if (this.#closed) return 0;
      if (status !== 200) return this.#failed(`status ${status}`, AWAY_MS);
      heard(decodeReport(body));
      this.#said = "";
      return 0;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return this.#failed(message, code === CODE_MALFORMED ? OTHER_RELEASE_MS : AWAY_MS);
    }
  }

  #failed(why: string, wait: number): number {
    if (!this.#closed && this.#said !== why) this.#parts.log.debug({ envoy: this.#envoy.origin, why }, "no report");
    this.#said = why;
    return wait;
  }
}
