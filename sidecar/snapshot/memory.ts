// Models of pools that nobody serves now: scaled to zero, or all pods gone. A filter that still knows them can hold their
// requests until a pod comes; a model that no snapshot has is somebody else's.
import type { ModelView } from "../../protocol/snapshot.ts";
import type { ClusterObjects } from "./objects.ts";

interface Known {
  kind: ModelView["kind"];
  base: string | null;
}

export class ModelMemory {
  /** Pool → model → what it was when a pod last listed it. */
  readonly #pools = new Map<string, Map<string, Known>>();

  /**
   * Models without endpoints to add to `models`: of pools of which no model is listed now, what was listed last and what
   * objects declare. Pools that are followed no more are forgotten.
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
