// One Envoy, with a state of its own.
//
//   idle     ── something changed, and `interval` since the last push ──▶ sending
//   idle     ── `heartbeat` since the last push ──▶ sending
//   sending  ── accepted ──▶ idle
//   sending  ── anything else ──▶ waiting        retryMin, doubled with each failure up to retryMax, half of it random
//   waiting  ── time is up ──▶ sending           changes meanwhile go along, they hurry nothing
//
// Each push is the whole truth, made as it is sent, so an Envoy that was away is told everything by the first one.
import { Pool } from "undici";
import { SECRET_HEADER } from "../../protocol/constants.ts";
import { SnapshotTooLargeError } from "../../protocol/encode.ts";
import type { Clock } from "../clock.ts";
import { exchange, toFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { MadeSnapshot, SnapshotSource } from "../snapshot/source.ts";
import { HINTS, judge, type PushResult, type Verdict } from "./answer.ts";

export interface PushOptions {
  path: string;
  secret: string;
  intervalMs: number;
  heartbeatMs: number;
  timeoutMs: number;
  retryMinMs: number;
  retryMaxMs: number;
}

export interface TargetParts {
  options: PushOptions;
  snapshots: SnapshotSource;
  clock: Clock;
  log: Log;
  random: () => number;
  pushed: (target: string, result: PushResult, seconds: number, snapshot: MadeSnapshot | undefined) => void;
}

const ANSWER_MAX_BYTES = 1 << 20;

export class Target {
  readonly origin: string;
  readonly #parts: TargetParts;
  readonly #pool: Pool;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #state: "idle" | "sending" | "waiting" = "idle";
  #dirty = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #acceptedAt: number | null = null;
  #lastResult: PushResult | undefined;
  #closed = false;

  constructor(origin: string, parts: TargetParts) {
    this.origin = origin;
    this.#parts = parts;
    this.#pool = new Pool(origin, { connections: 1, pipelining: 1, connect: { timeout: parts.options.timeoutMs } });
  }

  /** Clock.now() when the last accepted push was begun. */
  get acceptedAt(): number | null {
    return this.#acceptedAt;
  }

  get lastResult(): PushResult | undefined {
    return this.#lastResult;
  }

  start(): void {
    this.#schedule(0);
  }

  /** The snapshot would say something else now. */
  changed(): void {
    if (this.#closed) return;
    this.#dirty = true;
    if (this.#state !== "idle") return;
    const { clock, options } = this.#parts;
    this.#schedule(Math.max(0, this.#startedAt + options.intervalMs - clock.now()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#pool.destroy();
  }

  /** The earlier of this time and the one that is set. */
  #schedule(waitMs: number): void {
    const dueAt = this.#parts.clock.now() + waitMs;
    if (this.#closed || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => void this.#send(), waitMs);
  }

  async #send(): Promise<void> {
    const { clock, options, pushed } = this.#parts;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#state = "sending";
    this.#dirty = false;
    this.#startedAt = clock.now();
    const { verdict, snapshot } = await this.#push();
    if (this.#closed) return;
    pushed(this.origin, verdict.result, (clock.now() - this.#startedAt) / 1000, snapshot);
    this.#report(verdict);
    if (verdict.result === "ok") {
      this.#state = "idle";
      this.#failures = 0;
      this.#acceptedAt = this.#startedAt;
      if (this.#dirty) this.changed();
      this.#schedule(Math.max(0, this.#startedAt + options.heartbeatMs - clock.now()));
      return;
    }
    if (verdict.stored !== undefined) this.#parts.snapshots.goPast(verdict.stored);
    this.#state = "waiting";
    this.#failures++;
    this.#schedule(this.#backoff());
  }

  async #push(): Promise<{ verdict: Verdict; snapshot?: MadeSnapshot }> {
    const { options, snapshots } = this.#parts;
    let snapshot: MadeSnapshot;
    try {
      snapshot = snapshots.make();
    } catch (error) {
      const result = error instanceof SnapshotTooLargeError ? "snapshot_too_large" : "malformed";
      return { verdict: { result, detail: (error as Error).message } };
    }
    try {
      const answer = await exchange(this.#pool, {
        method: "POST",
        path: options.path,
        headers: { "content-type": "application/octet-stream", [SECRET_HEADER]: options.secret },
        body: snapshot.bytes,
        timeoutMs: options.timeoutMs,
        maxBytes: ANSWER_MAX_BYTES,
      });
      return { verdict: judge(answer.status, answer.body, snapshot.version), snapshot };
    } catch (error) {
      const failure = toFailure(error);
      return { verdict: { result: failure.reason, detail: failure.message }, snapshot };
    }
  }

  #backoff(): number {
    const { options, random } = this.#parts;
    const longest = Math.min(options.retryMaxMs, options.retryMinMs * 2 ** Math.min(this.#failures - 1, 20));
    return longest * (0.5 + random() / 2);
  }

  /** Once for each change of the result, not for each push. */
  #report({ result, detail }: Verdict): void {
    if (result === this.#lastResult) return;
    this.#lastResult = result;
    const { log } = this.#parts;
    if (result === "ok") log.info({ target: this.origin }, "snapshots are accepted");
    else log.warn({ target: this.origin, result, detail, todo: HINTS[result] }, "snapshot not accepted");
  }
}
