// Readings of pods between the sidecars of a fleet: the collector reads each pod, and the other sidecars get its readings through their own
// Envoys. The collector pushes new readings to each Envoy whose answers to polls say that a sidecar wants them. The next blob has them
// once more, so a sidecar that misses a blob loses nothing.
import { CODE_TOO_LARGE } from "../../protocol/constants.ts";
import { encodeReadingsPush, type ReadingsAnswer } from "../../protocol/readings/readings-codec.ts";
import {
  MAX_READINGS_BYTES,
  READINGS_HEADER_BYTES,
  READINGS_QUIET,
  READINGS_WANTED,
} from "../../protocol/readings/readings-constants.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import {
  decodeReadings,
  type EnginePrints,
  encodeReadings,
  type SharedReading,
} from "../scrape/shared/shared-readings.ts";
import type { EnvoyConnection } from "./envoy-connection.ts";

/** What this sidecar has read from its pods, and what it does with the readings of other sidecars (fleet.ts). */
export interface PodReadings {
  readonly prints: EnginePrints;
  share(since: number): SharedReading[];
  receive(source: number, readings: readonly SharedReading[], prints: EnginePrints, madeAt: number): number;
  takeOver(): void;
}

/** What became of a blob, or of readings in it. */
export type ReadingsEvent = "sent" | "failed" | "received" | "refused";

interface ReadingsExchangeParts {
  /** Id of this sidecar as a collector. */
  id: number;
  pods: PodReadings;
  clock: Clock;
  log: Log;
  /** The Envoys whose collector this sidecar is. */
  collected(): Iterable<EnvoyConnection>;
  /** The shortest time between two messages to an Envoy, ms. */
  spacingMs(): number;
  counted(event: ReadingsEvent, count: number): void;
}

interface KnownEnvoy {
  /** Number of the readings that this sidecar has from the Envoy. */
  number: bigint;
  /** Whether another sidecar wants readings from the Envoy. */
  listened: boolean;
  sending: boolean;
  /** Until this time no readings are pushed to the Envoy, ms. */
  awayUntil: number;
  /** Duration of the last round trip, ms. */
  roundTripMs: number;
}

/** The time between two blobs: a quarter of the shortest time between two scrapes of a pod, within these bounds. */
const MIN_SPACING_MS = 20;
const MAX_SPACING_MS = 100;
/** And at least this time for each reading of the last blob. */
const SPACING_MS_PER_READING = 0.1;
/** The wait after an Envoy did not take a blob. */
const AWAY_MS = 250;
/** The wait after a response that says nothing of readings, as from a filter of another release. */
const OTHER_RELEASE_MS = 5000;
const MIN_BLOB_BYTES = 16_384;
/** After a refusal for its size, a blob is smaller for so long. */
const LOW_MS = 60_000;
/**
 * A reading promises when the next one comes. The other sidecars wait at most three times as long and then scrape the pod themselves
 * (readings-gate.ts), so an older reading is of no use to them.
 */
const USEFUL_INTERVALS = 3;

export class ReadingsExchange {
  readonly #parts: ReadingsExchangeParts;
  readonly #known = new Map<string, KnownEnvoy>();
  /** Number of Envoys where another sidecar wants readings. */
  #listened = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending = false;
  #changed = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  #spacing = MIN_SPACING_MS;
  /** A blob has the readings since the blob before the last. Instants up to which the last blob and the blob before it had readings, ms. */
  #upTo = Number.NEGATIVE_INFINITY;
  #before = Number.NEGATIVE_INFINITY;
  /** Blobs without room for all readings go by address. Address of the last reading of such a blob, and when its round began, ms. */
  #lastAddress = "";
  #roundAt = Number.NEGATIVE_INFINITY;
  /** Limit of a blob with its header. An Envoy may accept less than this release may send. */
  #maxBytes = MAX_READINGS_BYTES;
  /** Until when a lower limit counts, ms. */
  #lowUntil = Number.NEGATIVE_INFINITY;
  #logged = "";
  #closed = false;

  constructor(parts: ReadingsExchangeParts) {
    this.#parts = parts;
  }

  /** Returns the header of a poll of the Envoy. `quiet`: the poll's answer need not have each change of counts. */
  ask(origin: string, { wanted, quiet }: { wanted: boolean; quiet: boolean }): string {
    const flags = (wanted ? READINGS_WANTED : 0) | (quiet ? READINGS_QUIET : 0);
    return `${this.#known.get(origin)?.number ?? 0n}.${flags}`;
  }

  /** Takes what an answer to a poll says; undefined: nothing. The poll took `tookMs`. */
  async received(origin: string, answer: ReadingsAnswer | undefined, tookMs: number): Promise<void> {
    const known = this.#of(origin);
    if (known.listened !== (answer?.listened ?? false)) this.#listened += known.listened ? -1 : 1;
    known.listened = answer?.listened ?? false;
    if (answer === undefined) return;
    const wayMs = Math.max(0, tookMs - answer.heldMs);
    known.roundTripMs = wayMs;
    if (known.listened) this.scraped();
    if (answer.number === 0n) return;
    known.number = answer.number;
    if (answer.collector === this.#parts.id || answer.collector === 0) return;
    const { clock, pods, counted } = this.#parts;
    const madeAt = clock.now() - answer.delayMs - wayMs;
    try {
      const { prints, readings, refused } = await decodeReadings(answer.payload);
      if (this.#closed) return;
      counted("received", pods.receive(answer.collector, readings, prints, madeAt));
      if (refused > 0) counted("refused", refused);
    } catch (error) {
      counted("refused", 1);
      this.#log(origin, (error as Error).message);
    }
  }

  forget(origin: string): void {
    if (this.#known.get(origin)?.listened === true) this.#listened--;
    this.#known.delete(origin);
  }

  /** This sidecar becomes the collector. */
  takeOver(): void {
    this.#parts.pods.takeOver();
  }

  /** Called after each good scrape of this sidecar. */
  scraped(): void {
    if (this.#listened === 0) return;
    this.#changed = true;
    if (this.#timer !== undefined || this.#sending || this.#closed) return;
    const wait = this.#startedAt + Math.max(this.#spacing, this.#parts.spacingMs()) - this.#parts.clock.now();
    this.#timer = setTimeout(() => void this.#send(), Math.max(0, wait));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #of(origin: string): KnownEnvoy {
    const known = this.#known.get(origin) ?? {
      number: 0n,
      listened: false,
      sending: false,
      awayUntil: Number.NEGATIVE_INFINITY,
      roundTripMs: 0,
    };
    this.#known.set(origin, known);
    return known;
  }

  /** Sends a blob to all Envoys that want one. */
  async #send(): Promise<void> {
    const { clock, pods, collected } = this.#parts;
    this.#timer = undefined;
    this.#changed = false;
    const now = clock.now();
    const takers = [...collected()].filter(({ origin }) => {
      const { listened, sending, awayUntil } = this.#of(origin);
      return listened && !sending && now >= awayUntil;
    });
    const readings = takers.length === 0 ? [] : this.#readings(pods.share(this.#before));
    if (readings.length === 0) {
      // The rest of a round is gone.
      if (takers.length > 0) this.#lastAddress = "";
      return;
    }
    this.#sending = true;
    this.#startedAt = now;
    if (now >= this.#lowUntil) this.#maxBytes = MAX_READINGS_BYTES;
    const room = this.#maxBytes - READINGS_HEADER_BYTES;
    const { payload, count } = await encodeReadings(readings, pods.prints, room);
    if (this.#lastAddress === "") this.#roundAt = now;
    // A reading that has no room even alone is left out.
    const done = Math.max(count, 1);
    if (done < readings.length) {
      // The other readings come with the next blob.
      this.#lastAddress = readings[done - 1]?.address ?? "";
      this.#changed = true;
    } else {
      if (this.#lastAddress !== "") this.#changed = true;
      this.#lastAddress = "";
      this.#before = this.#upTo;
      this.#upTo = this.#roundAt;
    }
    const shortest = readings.reduce((least, { next }) => Math.min(least, next), Number.POSITIVE_INFINITY);
    const spacing = Math.min(Math.max(shortest / 4, MIN_SPACING_MS), MAX_SPACING_MS);
    this.#spacing = Math.max(spacing, SPACING_MS_PER_READING * count);
    if (!this.#closed && count > 0) for (const envoy of takers) void this.#push(envoy, payload, now);
    this.#sending = false;
    if (this.#changed) this.scraped();
  }

  /** Returns the readings for a blob, by address: after a blob without room for all, the rest. Old ones are left out. */
  #readings(all: SharedReading[]): SharedReading[] {
    const least = Math.max(this.#spacing, this.#parts.spacingMs());
    return all
      .map((each) => (each.next >= least ? each : { ...each, next: least }))
      .filter(({ address, age, next }) => address > this.#lastAddress && age <= USEFUL_INTERVALS * next)
      .sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  async #push(envoy: EnvoyConnection, payload: Uint8Array, madeAt: number): Promise<void> {
    const { clock, id, counted } = this.#parts;
    const known = this.#of(envoy.origin);
    known.sending = true;
    const began = clock.now();
    const failure = await this.#try(envoy, encodeReadingsPush(id, began - madeAt + known.roundTripMs, payload));
    known.sending = false;
    if (this.#closed) return;
    counted(failure === undefined ? "sent" : "failed", 1);
    if (failure === undefined) {
      known.roundTripMs = clock.now() - began;
      return;
    }
    known.awayUntil = clock.now() + failure.waitMs;
    this.#log(envoy.origin, failure.why);
  }

  /** Sends a blob. Returns what went wrong; undefined: nothing. */
  async #try(envoy: EnvoyConnection, body: Uint8Array): Promise<{ why: string; waitMs: number } | undefined> {
    try {
      const { status } = await envoy.push(body);
      if (status === 200) return undefined;
      if (status === 413) {
        this.#maxBytes = Math.max(MIN_BLOB_BYTES, Math.floor(body.length / 2));
        this.#lowUntil = this.#parts.clock.now() + LOW_MS;
        return { why: CODE_TOO_LARGE, waitMs: 0 };
      }
      return { why: `status ${status}`, waitMs: status === 400 ? OTHER_RELEASE_MS : AWAY_MS };
    } catch (error) {
      return { why: (error as Error).message, waitMs: AWAY_MS };
    }
  }

  #log(envoy: string, why: string): void {
    if (why !== this.#logged) this.#parts.log.debug({ envoy, why }, "readings of pods are not exchanged");
    this.#logged = why;
  }
}
