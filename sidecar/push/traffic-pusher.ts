// Pushes the traffic of the other Envoys to one Envoy: at once when it has changed, but no two pushes are closer together than
// spacingMs(). A push without news comes every REPEAT_MS, because a filter forgets the other Envoys 2 s after the last push.
import { encodeTrafficPush, type TrafficPush } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { EnvoyConnection } from "./envoy-connection.ts";

interface TrafficPusherParts {
  clock: Clock;
  log: Log;
  /** The shortest time between two pushes, milliseconds. */
  spacingMs(): number;
  /** Returns the other Envoys' counts, and their prefixes above a number; undefined: nothing is to be pushed now. */
  traffic(number: number): (TrafficPush & { number: number }) | undefined;
}

const REPEAT_MS = 1000;
/** The wait after a push that failed. */
const AWAY_MS = 250;

export class TrafficPusher {
  readonly #envoy: EnvoyConnection;
  readonly #parts: TrafficPusherParts;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #sending = false;
  #changed = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  /** Until this time an Envoy that did not take a push is left alone. */
  #awayUntil = Number.NEGATIVE_INFINITY;
  /** The Envoy has the prefixes up to this number. */
  #number = 0;
  #logged = "";
  #closed = false;

  constructor(envoy: EnvoyConnection, parts: TrafficPusherParts) {
    this.#envoy = envoy;
    this.#parts = parts;
  }

  /** Called when another Envoy's traffic has changed. */
  changed(): void {
    this.#changed = true;
    if (this.#sending) return;
    const { clock, spacingMs } = this.#parts;
    this.#schedule(Math.max(this.#startedAt + spacingMs(), this.#awayUntil) - clock.now());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Sends a push after `waitMs`, or at the time that is set if that is earlier. */
  #schedule(waitMs: number): void {
    const wait = Math.max(0, waitMs);
    const dueAt = this.#parts.clock.now() + wait;
    if (this.#closed || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    // A timer of 0 ms would fire a millisecond later.
    if (wait < 1) setImmediate(() => void this.#send());
    else this.#timer = setTimeout(() => void this.#send(), wait);
  }

  async #send(): Promise<void> {
    const { clock, traffic, spacingMs } = this.#parts;
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#closed || this.#sending) return;
    const push = traffic(this.#number);
    this.#changed = false;
    if (push === undefined) return;
    this.#sending = true;
    this.#startedAt = clock.now();
    const failure = await this.#push(push);
    this.#sending = false;
    if (failure === undefined) this.#number = push.number;
    else if (failure !== this.#logged && !this.#closed)
      this.#parts.log.debug({ envoy: this.#envoy.origin, why: failure }, "no traffic push");
    this.#logged = failure ?? "";
    this.#awayUntil = failure === undefined ? Number.NEGATIVE_INFINITY : this.#startedAt + AWAY_MS;
    const wait = failure !== undefined ? AWAY_MS : this.#changed ? spacingMs() : REPEAT_MS;
    this.#schedule(this.#startedAt + wait - clock.now());
  }

  /** Sends a push. Returns what went wrong; undefined: nothing. */
  async #push(push: TrafficPush): Promise<string | undefined> {
    try {
      const { status } = await this.#envoy.push(encodeTrafficPush(push));
      return status === 200 ? undefined : `status ${status}`;
    } catch (error) {
      return (error as Error).message;
    }
  }
}
