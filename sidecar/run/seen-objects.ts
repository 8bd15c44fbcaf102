// What clusters and manifests say, and what a snapshot takes from it.
import type { PodSource } from "../discover/pod-source.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import { type ClusterObjects, objectsOf } from "../snapshot/objects.ts";

export class SeenObjects {
  readonly #sources: readonly PodSource[];
  #objects: ClusterObjects | undefined;

  constructor(sources: readonly PodSource[]) {
    this.#sources = sources;
  }

  /** As the sources have them now. */
  get all(): ClusterSeen[] {
    return this.#sources.flatMap((source) => source.seen?.() ?? []);
  }

  /** For a snapshot, as of the last `read()`; undefined: no source knows a cluster. */
  get objects(): ClusterObjects | undefined {
    return this.#objects;
  }

  /** A source reported. Translating the objects is work that is done once here, not for each snapshot. */
  read(): void {
    this.#objects = objectsOf(this.all);
  }
}
