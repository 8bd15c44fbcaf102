// Asks an Envoy for its traffic reports, one after the other. A question may be a poll, which the filter answers when it has news.
import { CODE_MALFORMED } from "../../protocol/constants.ts";
import { type ReadingsAnswer, splitAnswer } from "../../protocol/readings/readings-codec.ts";
import { decodeReport, type TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Failure } from "../http.ts";
import type { Log } from "../log.ts";
import type { EnvoyConnection, Poll } from "./envoy-connection.ts";

/** How an Envoy is asked. */
export interface Question {
  /** Absent: the filter answers at once. */
  poll?: Poll;
  /** The shortest time from this question to the next, milliseconds. */
  spacingMs: number;
}

interface ReportReaderParts {
  clock: Clock;
  log: Log;
  random: () => number;
  /** Returns the question that is due now; undefined: no reports are wanted. */
  question(): Question | undefined;
  cursor(): string;
  /** `readings`: what the answer says about readings of pods. The question took `tookMs`. */
  received(report: TrafficReport, readings: ReadingsAnswer | undefined, tookMs: number): void;
  /** Called when the Envoy did not respond. */
  failed(): void;
}

/** The wait after an Envoy did not respond. */
const AWAY_MS = 500;
/** The wait after a question that took too long, which was a wait by itself. This process may have been paused. */
const LATE_MS = 20;
/** The wait after a response that is no traffic report, as from a filter of another release. */
const OTHER_RELEASE_MS = 5000;
/** The wait while no reports are wanted. */
const UNWANTED_MS = 250;

export class ReportReader {
  readonly #envoy: EnvoyConnection;
  readonly #parts: ReportReaderParts;
  #timer: NodeJS.Timeout | undefined;
  /** Whether a question is on its way. */
  #asking = false;
  #polling = false;
  /** Until this time an Envoy that did not respond is left alone. */
  #awayUntil = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  #logged = "";

  constructor(envoy: EnvoyConnection, parts: ReportReaderParts) {
    this.#envoy = envoy;
    this.#parts = parts;
    this.#later(0);
  }

  /** Whether a poll is on its way, which the filter answers when it has news. */
  get polling(): boolean {
    return this.#polling;
  }

  /** A push returned a report, so the next question is due as if it had been asked now. */
  reported(): void {
    this.#askedAt = this.#parts.clock.now();
  }

  /** Looks at once whether another question is due now. */
  wake(): void {
    if (this.#asking || this.#parts.clock.now() < this.#awayUntil) return;
    clearTimeout(this.#timer);
    this.#later(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #later(waitMs: number): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#look(), waitMs);
  }

  /** Asks until no question is due, and then sets a timer. A loop: calls of itself would keep each other in memory. */
  async #look(): Promise<void> {
    const { clock, question, random } = this.#parts;
    while (!this.#closed) {
      const next = question();
      if (next === undefined) return this.#later(UNWANTED_MS);
      const due = this.#askedAt + next.spacingMs - clock.now();
      // A timer may come a fraction of a millisecond early.
      if (due > 1) return this.#later(due);
      this.#asking = true;
      this.#polling = next.poll !== undefined;
      this.#askedAt = clock.now();
      const away = await this.#read(next.poll);
      this.#asking = false;
      this.#polling = false;
      if (away === 0) continue;
      const wait = away * (0.75 + random() / 2);
      this.#awayUntil = clock.now() + wait;
      return this.#later(wait);
    }
  }

  /** Asks for a report. Returns for how many milliseconds the Envoy is left alone; 0: it has responded. */
  async #read(poll: Poll | undefined): Promise<number> {
    const { clock, cursor, received } = this.#parts;
    const began = clock.now();
    try {
      const { status, body } = await this.#envoy.report(cursor(), poll);
      if (this.#closed) return 0;
      if (status !== 200) return this.#failed(`status ${status}`, AWAY_MS);
      const { report, readings } = splitAnswer(body);
      received(decodeReport(report), readings, clock.now() - began);
      this.#logged = "";
      return 0;
    } catch (error) {
      const { code, message, reason } = error as { code?: string; message: string; reason?: Failure };
      const wait = code === CODE_MALFORMED ? OTHER_RELEASE_MS : reason === "timeout" ? LATE_MS : AWAY_MS;
      return this.#failed(message, wait);
    }
  }

  #failed(why: string, wait: number): number {
    if (this.#closed) return wait;
    if (this.#logged !== why) this.#parts.log.debug({ envoy: this.#envoy.origin, why }, "no traffic report");
    this.#logged = why;
    this.#parts.failed();
    return wait;
  }
}
