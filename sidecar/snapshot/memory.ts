// Remembers the models of pools without pods, such as pools that are scaled to zero. If the snapshot has them, the filter can
// hold requests until a pod is ready. The filter does not handle requests for models that the snapshot lacks.
import type { ModelView } from "../../protocol/snapshot.ts";
import type { ClusterObjects } from "./objects.ts";

interface Known {
  kind: ModelView["kind"];
  base: string | null;
}

export class ModelMemory {
  /** Pool -> model -> kind and base, from the last time that a pod listed the model. */
  readonly #pools = new Map<string, Map<string, Known>>();

  /**
   * Returns models without endpoints, to add to `models`. A pool without a listed model gives its last models, and the models
   * that objects declare. Pools that are no longer followed are dropped.
   */
  absent(models: readonly ModelView[], { pools, declared }: ClusterObjects): ModelView[] {
    for (const pool of [...this.#pools.keys()]) if (!pools.includes(pool)) this.#pools.delete(pool);
    const listed = new Set<string>();
    const now = new Map<string, Map<string, Known>>();
    for (const { name, kind, base, pool } of models) {
      listed.add(name);
      if (pool === undefined) continue;
      const known = now.get(pool) ?? new Map<string, Known>();
      now.set(pool, known.set(name, { kind, base }));
    }
    for (const [pool, known] of now) this.#pools.set(pool, known);
    const added = new Map<string, ModelView>();
    for (const pool of pools) {
      if (now.has(pool)) continue;
      for (const [name, { kind, base }] of this.#pools.get(pool) ?? []) {
        if (!listed.has(name) && !added.has(name)) added.set(name, { name, kind, base, endpoints: [], pool });
      }
    }
    for (const { model: name, pool } of declared) {
      if (now.has(pool) || listed.has(name) || added.has(name)) continue;
      added.set(name, { name, kind: "base", base: name, endpoints: [], pool });
    }
    return [...added.values()];
  }
}
