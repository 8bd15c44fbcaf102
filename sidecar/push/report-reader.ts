// Asks an Envoy for its traffic report if no push has returned a report lately. The interval is the interval of pushes, or
// longer for many Envoys.
import { CODE_MALFORMED } from "../../protocol/constants.ts";
import { decodeReport, type TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Envoy } from "./envoy-connection.ts";

interface ReportReaderParts {
  clock: Clock;
  log: Log;
  random: () => number;
  /** Returns the time between two reports, milliseconds; undefined: no reports are wanted now. */
  intervalMs(): number | undefined;
  cursor(): string;
  received(report: TrafficReport): void;
}

/** The wait after an Envoy did not respond. */
const AWAY_MS = 500;
/** The wait after a response that is no traffic report, as from a filter of another release. */
const OTHER_RELEASE_MS = 5000;
/** The wait while no reports are wanted. */
const UNWANTED_MS = 250;

export class ReportReader {
  readonly #envoy: Envoy;
  readonly #parts: ReportReaderParts;
  #timer: NodeJS.Timeout | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  #logged = "";

  constructor(envoy: Envoy, parts: ReportReaderParts) {
    this.#envoy = envoy;
    this.#parts = parts;
    this.#later(0);
  }

  /** A push returned a report, so the next request is due an interval from now. */
  reported(): void {
    this.#reportedAt = this.#parts.clock.now();
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
    if (interval === undefined) return this.#later(UNWANTED_MS);
    const due = this.#reportedAt + interval - clock.now();
    // A timer may come a fraction of a millisecond early.
    if (due > 1) return this.#later(due);
    const wait = await this.#read();
    if (wait === 0) this.reported();
    this.#later(wait === 0 ? interval : wait * (0.75 + this.#parts.random() / 2));
  }

  /** Requests a report. Returns how many milliseconds to wait before the next request; 0: the interval. */
  async #read(): Promise<number> {
    const { cursor, received } = this.#parts;
    try {
      const { status, body } = await this.#envoy.report(cursor());
      if (this.#closed) return 0;
      if (status !== 200) return this.#failed(`status ${status}`, AWAY_MS);
      received(decodeReport(body));
      this.#logged = "";
      return 0;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return this.#failed(message, code === CODE_MALFORMED ? OTHER_RELEASE_MS : AWAY_MS);
    }
  }

  #failed(why: string, wait: number): number {
    if (!this.#closed && this.#logged !== why)
      this.#parts.log.debug({ envoy: this.#envoy.origin, why }, "no traffic report");
    this.#logged = why;
    return wait;
  }
}
