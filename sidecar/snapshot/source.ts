// Makes the bytes that pushes carry. A snapshot is made when it is sent, never before, so its ages are true. Pushes of the same
// moment share a snapshot.
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { Clock } from "../clock.ts";
import type { Pod } from "../pod.ts";
import { buildSnapshot, type ClusterParts, type Dropped, type StaticModels } from "./build.ts";
import { EndpointIndex } from "./endpoint-index.ts";
import type { World } from "./place-records.ts";

export interface MadeSnapshot {
  version: bigint;
  bytes: Uint8Array;
  /** The snapshot's endpoints in their order; made when first asked for. */
  index: () => EndpointIndex;
  endpoints: number;
  models: number;
  dropped: Dropped;
}

/** Where a snapshot's content comes from; each function is called for each snapshot. */
interface SnapshotParts {
  clock: Clock;
  /** The id of this sidecar as a producer. */
  source: bigint;
  /** `models.static` of the configuration. */
  fixed: StaticModels;
  pods(): Iterable<Pod>;
  /** The objects of clusters and manifests; undefined: none are configured. */
  cluster?(): ClusterParts | undefined;
  /** Places and policies; undefined: there are none. */
  world?(): World | undefined;
  /** Whether this sidecar sees its pods, so that its snapshot may displace the lease of another sidecar; true where not given. */
  complete?(): boolean;
}

/** A snapshot is shared for this long. Its ages are as of the end of that time, so none is too low. */
const SAME_MOMENT_MS = 5;

export class SnapshotSource {
  readonly #parts: SnapshotParts;
  #lastVersion = 0n;
  #made: { at: number; snapshot: MadeSnapshot } | undefined;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  /** make() must not return the last snapshot again. */
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
    const { clock, source, fixed, pods, cluster, world, complete = () => true } = this.#parts;
    const now = clock.now();
    if (this.#made !== undefined && now - this.#made.at < SAME_MOMENT_MS) return this.#made.snapshot;
    const micros = clock.epochMicros();
    const version = micros > this.#lastVersion ? micros : this.#lastVersion + 1n;
    const built = buildSnapshot(pods(), fixed, { version, source, now: now + SAME_MOMENT_MS }, cluster?.(), world?.());
    const bytes = encodeSnapshot({ ...built.view, complete: complete() });
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
