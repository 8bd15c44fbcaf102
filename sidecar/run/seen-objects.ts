// The objects of clusters and manifests, and the part of them that a snapshot contains.
import type { PodSource } from "../discover/pod-source.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import { type ClusterObjects, objectsOf } from "../snapshot/objects.ts";

export class SeenObjects {
  readonly #sources: readonly PodSource[];
  #objects: ClusterObjects | undefined;

  constructor(sources: readonly PodSource[]) {
    this.#sources = sources;
  }

  /** The objects as the sources have them now. */
  get all(): ClusterSeen[] {
    return this.#sources.flatMap((source) => source.seen?.() ?? []);
  }

  /** The objects for a snapshot at the last `read()`; undefined: no source has a cluster. */
  get objects(): ClusterObjects | undefined {
    return this.#objects;
  }

  /** Called when a source reported. The objects are translated once here, not for each snapshot. */
  read(): void {
    this.#objects = objectsOf(this.all);
  }
}
