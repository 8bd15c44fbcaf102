// Makes the bytes that the pushes carry. A snapshot is made when it is sent, never before, so its ages are true;
// pushes of the same moment share one.
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { Clock } from "../clock.ts";
import type { Pod } from "../pod.ts";
import { type Built, buildSnapshot, type ClusterParts, type Dropped, type StaticModels } from "./build.ts";
import { EndpointIndex } from "./endpoint-index.ts";
import type { World } from "./places.ts";

export interface MadeSnapshot {
  version: bigint;
  bytes: Uint8Array;
  /** Its endpoints in their order; made when asked for. */
  index: () => EndpointIndex;
  endpoints: number;
  models: number;
  dropped: Dropped;
}

/** For this long a snapshot is still of the same moment; its ages are told as of the end of it, so none is told too low. */
const SAME_MOMENT_MS = 5;

export class SnapshotSource {
  readonly #pods: () => Iterable<Pod>;
  readonly #fixed: StaticModels;
  readonly #clock: Clock;
  readonly #source: bigint;
  readonly #cluster: () => ClusterParts | undefined;
  readonly #world: () => World | undefined;
  readonly #complete: () => boolean;
  #lastVersion = 0n;
  #made: { at: number; snapshot: MadeSnapshot } | undefined;

  constructor(
    pods: () => Iterable<Pod>,
    fixed: StaticModels,
    clock: Clock,
    source: bigint,
    cluster: () => ClusterParts | undefined = () => undefined,
    world: () => World | undefined = () => undefined,
    complete: () => boolean = () => true,
  ) {
    this.#pods = pods;
    this.#fixed = fixed;
    this.#clock = clock;
    this.#source = source;
    this.#cluster = cluster;
    this.#world = world;
    this.#complete = complete;
  }

  /** The next snapshot is made anew. */
  changed(): void {
    this.#made = undefined;
  }

  /** The next version is above `version`, whatever the clock says. */
  goPast(version: bigint): void {
    if (version > this.#lastVersion && version < (1n << 64n) - 1n) this.#lastVersion = version;
    this.#made = undefined;
  }

  /** Throws what the encoder throws: SnapshotError, SnapshotTooLargeError. */
  make(): MadeSnapshot {
    const now = this.#clock.now();
    if (this.#made !== undefined && now - this.#made.at < SAME_MOMENT_MS) return this.#made.snapshot;
    const micros = this.#clock.epochMicros();
    const version = micros > this.#lastVersion ? micros : this.#lastVersion + 1n;
    const stamp = { version, source: this.#source, now: now + SAME_MOMENT_MS };
    const built: Built = buildSnapshot(this.#pods(), this.#fixed, stamp, this.#cluster(), this.#world());
    const bytes = encodeSnapshot({ ...built.view, complete: this.#complete() });
    this.#lastVersion = version;
    const { endpoints, models } = built.view;
    const counts = { endpoints: endpoints.length, models: models.length, dropped: built.dropped };
    const snapshot = { version, bytes, index: indexOf(endpoints), ...counts };
    this.#made = { at: now, snapshot };
    return snapshot;
  }
}

function indexOf(endpoints: readonly { address: string }[]): () => EndpointIndex {
  let index: EndpointIndex | undefined;
  // Addresses are ASCII: JavaScript's order is that of their bytes.
  return () => (index ??= new EndpointIndex(endpoints.map(({ address }) => address).sort()));
}
