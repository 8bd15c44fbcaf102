// Pushes snapshots to one Envoy.
//
//   idle     ── the snapshot changed, and `interval` since the last push ──▶ sending
//   idle     ── `heartbeat` since the last push ──▶ sending
//   sending  ── accepted ──▶ idle
//   sending  ── another sidecar has the lease there ──▶ waiting, until the lease ends
//   sending  ── anything else ──▶ waiting        minBackoff, doubled with each failure up to maxBackoff, half of it random;
//                                                at most 100 ms while nothing listens there
//   waiting  ── time is up ──▶ sending           a change does not end the wait; the push at its end contains it
//
// Each push is a complete snapshot, which is made when it is sent. So an Envoy that was away needs only one push.
import { MAX_SNAPSHOT_BYTES } from "../../protocol/constants.ts";
import { SnapshotTooLargeError } from "../../protocol/encode.ts";
import { withCached, withTraffic } from "../../protocol/traffic.ts";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import type { Clock } from "../clock.ts";
import { toFailure } from "../http.ts";
import type { Log } from "../log.ts";
import type { EndpointIndex } from "../snapshot/endpoint-index.ts";
import type { MadeSnapshot, SnapshotSource } from "../snapshot/source.ts";
import type { EnvoyConnection } from "./envoy-connection.ts";
import type { Others } from "./envoy-traffic.ts";
import { HINTS, judge, type PushOutcome, type PushResult } from "./push-answer.ts";

interface PushOptions {
  intervalMs: number;
  heartbeatMs: number;
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
  exchange: TargetExchange;
}

/** The exchange of traffic between this Envoy and the other Envoys, if its filter is of a release without polls. */
interface TargetExchange {
  /** Says which prefix updates of this Envoy have been received; undefined: no report is wanted. */
  cursor(): string | undefined;
  others(index: EndpointIndex): Others | undefined;
  /** Returns the section CACHED of the next push; undefined: no worker of this Envoy needs a refill. */
  refill(index: EndpointIndex): Uint8Array | undefined;
  /** Whether the next push has the section CACHED. */
  refilling(): boolean;
  /** This Envoy did not respond. */
  away(): void;
  received(report: TrafficReport): void;
}

/**
 * A filter forgets the other Envoys' requests 2 s after the last push. So pushes with such requests come at least this often.
 */
const MAX_PUSH_GAP_MS = 1000;
/** Pushes with a refill come at least this often. */
const REFILL_GAP_MS = 100;
/**
 * While nothing listens at an Envoy's address, tries are at most this far apart, or push.minBackoff. A refused connection costs next to
 * nothing, and an Envoy that starts again picks nothing before its first snapshot.
 */
const REFUSED_GAP_MS = 100;
/** Results of pushes to an Envoy that does not run. */
const AWAY: ReadonlySet<PushResult> = new Set(["refused", "unreachable", "timeout", "reset"]);

export class Target {
  readonly origin: string;
  readonly #parts: TargetParts;
  readonly #envoy: EnvoyConnection;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #state: "idle" | "sending" | "waiting" = "idle";
  #dirty = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #acceptedAt: number | null = null;
  #leaseSeenAt: number | null = null;
  #sentOthers = false;
  #lastResult: PushResult | undefined;
  #closed = false;

  constructor(envoy: EnvoyConnection, parts: TargetParts) {
    this.origin = envoy.origin;
    this.#parts = parts;
    this.#envoy = envoy;
  }

  /** Clock.now() when the last accepted push began; null: no push was accepted. */
  get acceptedAt(): number | null {
    return this.#acceptedAt;
  }

  /**
   * Clock.now() when this Envoy last accepted a push or reported another sidecar's lease. In both cases the Envoy has a
   * snapshot.
   */
  get suppliedAt(): number | null {
    if (this.#acceptedAt === null || this.#leaseSeenAt === null) return this.#acceptedAt ?? this.#leaseSeenAt;
    return Math.max(this.#acceptedAt, this.#leaseSeenAt);
  }

  get lastResult(): PushResult | undefined {
    return this.#lastResult;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Called when the next snapshot differs from the last one. */
  changed(): void {
    if (this.#closed) return;
    this.#dirty = true;
    if (this.#state !== "idle") return;
    const { clock, options } = this.#parts;
    this.#schedule(Math.max(0, this.#startedAt + options.intervalMs - clock.now()));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Sends a push after `waitMs`, or at the time that is set if that is earlier. */
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
    const { outcome, snapshot } = await this.#push();
    if (this.#closed) return;
    pushed(this.origin, outcome.result, (clock.now() - this.#startedAt) / 1000, snapshot);
    this.#log(outcome);
    if (outcome.result === "ok") {
      this.#state = "idle";
      this.#failures = 0;
      this.#acceptedAt = this.#startedAt;
      if (outcome.report !== undefined) this.#parts.exchange.received(outcome.report);
      if (this.#dirty) this.changed();
      const gap = this.#parts.exchange.refilling() ? REFILL_GAP_MS : this.#sentOthers ? MAX_PUSH_GAP_MS : Infinity;
      const heartbeat = Math.min(options.heartbeatMs, gap);
      this.#schedule(Math.max(0, this.#startedAt + heartbeat - clock.now()));
      return;
    }
    if (outcome.result === "held") {
      this.#state = "waiting";
      this.#failures = 0;
      this.#leaseSeenAt = clock.now();
      this.#schedule(Math.max(options.intervalMs, outcome.leaseMs ?? 0) * (1 + this.#parts.random() / 10));
      return;
    }
    if (AWAY.has(outcome.result)) this.#parts.exchange.away();
    if (outcome.stored !== undefined) this.#parts.snapshots.goPast(outcome.stored);
    this.#state = "waiting";
    this.#failures++;
    this.#schedule(this.#backoff(outcome.result));
  }

  async #push(): Promise<{ outcome: PushOutcome; snapshot?: MadeSnapshot }> {
    const { snapshots } = this.#parts;
    let snapshot: MadeSnapshot;
    try {
      snapshot = snapshots.make();
    } catch (error) {
      const result = error instanceof SnapshotTooLargeError ? "snapshot_too_large" : "malformed";
      return { outcome: { result, detail: (error as Error).message } };
    }
    const body = this.#withRefill(this.#withOthers(snapshot), snapshot.index());
    try {
      const answer = await this.#envoy.push(body, this.#parts.exchange.cursor());
      return { outcome: judge(answer.status, answer.body, snapshot.version), snapshot };
    } catch (error) {
      const failure = toFailure(error);
      return { outcome: { result: failure.reason, detail: failure.message }, snapshot };
    }
  }

  /**
   * Returns the snapshot with the other Envoys' traffic. If the snapshot is too large, the prefixes are left out, then the
   * counts.
   */
  #withOthers({ bytes, index }: MadeSnapshot): Uint8Array {
    const others = this.#parts.exchange.others(index());
    this.#sentOthers = others !== undefined;
    if (others === undefined) return bytes;
    const { envoys, counts, prefixes } = others;
    const whole = withTraffic(bytes, envoys, counts, prefixes);
    if (whole.length <= MAX_SNAPSHOT_BYTES) return whole;
    const without = withTraffic(bytes, envoys, counts, new Uint8Array(0));
    return without.length <= MAX_SNAPSHOT_BYTES ? without : bytes;
  }

  /** Returns the snapshot with a part of a refill, if this Envoy needs one and the snapshot has room for it. */
  #withRefill(snapshot: Uint8Array, index: EndpointIndex): Uint8Array {
    const cached = this.#parts.exchange.refill(index);
    if (cached === undefined) return snapshot;
    const whole = withCached(snapshot, cached);
    return whole.length <= MAX_SNAPSHOT_BYTES ? whole : snapshot;
  }

  #backoff(result: PushResult): number {
    const { options, random } = this.#parts;
    const doubled = Math.min(options.retryMaxMs, options.retryMinMs * 2 ** Math.min(this.#failures - 1, 20));
    const longest = result === "refused" ? Math.min(doubled, Math.max(REFUSED_GAP_MS, options.retryMinMs)) : doubled;
    return longest * (0.5 + random() / 2);
  }

  /** Logs each change of the result, not each push. */
  #log({ result, detail }: PushOutcome): void {
    if (result === this.#lastResult) return;
    this.#lastResult = result;
    const { log } = this.#parts;
    if (result === "ok") log.info({ target: this.origin }, "snapshots are accepted");
    else if (result === "held") log.info({ target: this.origin, detail }, HINTS.held ?? result);
    else log.warn({ target: this.origin, result, detail, todo: HINTS[result] }, "snapshot not accepted");
  }
}
