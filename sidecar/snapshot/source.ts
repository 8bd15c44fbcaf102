// Makes the bytes of the snapshots that are pushed. A snapshot is made when it is sent, never before, so its ages are true.
// Pushes of the same moment share a snapshot.
import { encodeSnapshot } from "../../protocol/encode.ts";
import type { EndpointView } from "../../protocol/snapshot.ts";
import type { Clock } from "../clock.ts";
import type { Pod } from "../pod.ts";
import { buildSnapshot, type ClusterParts, type Dropped, type SnapshotCosts, type StaticModels } from "./build.ts";
import { EndpointIndex } from "./endpoint-index.ts";
import type { World } from "./place-records.ts";

export interface MadeSnapshot {
  version: bigint;
  bytes: Uint8Array;
  /** Returns the index of the snapshot's endpoints, in their order. It is made at the first call. */
  index: () => EndpointIndex;
  endpoints: number;
  models: number;
  dropped: Dropped;
}

/** The sources of a snapshot's content. Each function is called for each snapshot. */
interface SnapshotParts {
  clock: Clock;
  /** The id of this sidecar as a producer. */
  source: bigint;
  /** The models under `models.static` of the configuration. */
  fixed: StaticModels;
  pods(): Iterable<Pod>;
  /** Returns the objects of clusters and manifests; undefined: neither is configured. */
  cluster?(): ClusterParts | undefined;
  /** Returns places and policies; undefined: neither is configured. */
  world?(): World | undefined;
  /** What is learned; undefined: nothing is. */
  costs?: SnapshotCosts;
  /** Whether this sidecar can reach its pods, so that its snapshot may displace the lease of another sidecar. Default: true. */
  complete?(): boolean;
}

/** Pushes share a snapshot for this long. Its ages are computed for the end of this time, so no age is too low. */
const SAME_MOMENT_MS = 5;

export class SnapshotSource {
  readonly #parts: SnapshotParts;
  #lastVersion = 0n;
  #made: { at: number; snapshot: MadeSnapshot } | undefined;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  /** Ends the sharing: make() makes another snapshot. */
  changed(): void {
    this.#made = undefined;
  }

  /** Makes the next version higher than `version`, whatever the clock says. */
  goPast(version: bigint): void {
    if (version > this.#lastVersion && version < (1n << 64n) - 1n) this.#lastVersion = version;
    this.#made = undefined;
  }

  /** Makes a snapshot, or returns the shared one. Throws the encoder's errors: SnapshotError, SnapshotTooLargeError. */
  make(): MadeSnapshot {
    const { clock, source, fixed, pods, cluster, world, costs, complete = () => true } = this.#parts;
    const now = clock.now();
    if (this.#made !== undefined && now - this.#made.at < SAME_MOMENT_MS) return this.#made.snapshot;
    const micros = clock.epochMicros();
    const version = micros > this.#lastVersion ? micros : this.#lastVersion + 1n;
    const stamp = { version, source, now: now + SAME_MOMENT_MS };
    const built = buildSnapshot(pods(), fixed, stamp, cluster?.(), world?.(), costs);
    const bytes = encodeSnapshot({ ...built.view, complete: complete() });
    this.#lastVersion = version;
    const { endpoints, models } = built.view;
    const counts = { endpoints: endpoints.length, models: models.length, dropped: built.dropped };
    const snapshot = { version, bytes, index: indexOf(endpoints), ...counts };
    this.#made = { at: now, snapshot };
    return snapshot;
  }
}

function indexOf(endpoints: readonly EndpointView[]): () => EndpointIndex {
  let index: EndpointIndex | undefined;
  return () => (index ??= makeIndex(endpoints));
}

function makeIndex(endpoints: readonly EndpointView[]): EndpointIndex {
  // Addresses are ASCII, so JavaScript sorts them by their bytes, as the encoder does.
  const sorted = endpoints.toSorted((a, b) => (a.address < b.address ? -1 : 1));
  const tokens = sorted.map(({ kvBlocks, blockTokens }) => (kvBlocks ?? 0) * (blockTokens ?? 0));
  return new EndpointIndex(
    sorted.map(({ address }) => address),
    tokens,
  );
}
