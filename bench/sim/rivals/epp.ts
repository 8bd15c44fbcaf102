// The endpoint picker of the Gateway API Inference Extension with its default plugins, as a single instance for all requests.
//
//   score(p) = 2 * queue(p) + 2 * kv(p) + 3 * prefix(p)      the highest wins, ties at random
//
//   queue   (max - waiting) / (max - min) over the pods, 1 if all are equal
//   kv      1 - KV cache usage
//   prefix  matched blocks / blocks of the prompt. A block is 64 bytes, and its hash includes the block before it. At most 256
//           blocks of a prompt count. Each pod has an LRU of 31,250 blocks.

import { Draws } from "../draws.ts";
import type { Contender, Router, World } from "../world.ts";
import { highest } from "./choose.ts";
import { scrapeAsPicker } from "./picker-scrapes.ts";

interface Metrics {
  waiting: number;
  kvUsage: number;
}

const LRU_BLOCKS = 31_250;

/** Remembers which blocks were sent to which pods. */
export class PrefixIndex {
  readonly #capacity: number;
  readonly #holders = new Map<number, Set<number>>();
  readonly #lru: Map<number, true>[];

  constructor(pods: number, capacity = LRU_BLOCKS) {
    this.#capacity = capacity;
    this.#lru = Array.from({ length: pods }, () => new Map());
  }

  /** Number of blocks of the chain for each pod, up to the first block that no pod has. */
  match(blocks: ArrayLike<number>): Uint32Array {
    const counts = new Uint32Array(this.#lru.length);
    for (let i = 0; i < blocks.length; i++) {
      const holders = this.#holders.get(blocks[i] as number);
      if (!holders) break;
      for (const pod of holders) counts[pod] = (counts[pod] as number) + 1;
    }
    return counts;
  }

  insert(blocks: ArrayLike<number>, pod: number): void {
    const lru = this.#lru[pod] as Map<number, true>;
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i] as number;
      if (!lru.delete(block)) this.#hold(block, pod);
      lru.set(block, true);
    }
    for (const oldest of lru.keys()) {
      if (lru.size <= this.#capacity) break;
      lru.delete(oldest);
      this.#drop(oldest, pod);
    }
  }

  #hold(block: number, pod: number): void {
    const holders = this.#holders.get(block);
    if (holders) holders.add(pod);
    else this.#holders.set(block, new Set([pod]));
  }

  #drop(block: number, pod: number): void {
    const holders = this.#holders.get(block);
    holders?.delete(pod);
    if (holders?.size === 0) this.#holders.delete(block);
  }
}

/** One score per pod. `matched` is the number of matched blocks of `total`. A prompt shorter than a block has no affinity. */
export function scores(metrics: readonly Metrics[], matched: ArrayLike<number>, total: number): number[] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const { waiting } of metrics) {
    least = Math.min(least, waiting);
    most = Math.max(most, waiting);
  }
  return metrics.map(({ waiting, kvUsage }, pod) => {
    const queue = most === least ? 1 : (most - waiting) / (most - least);
    const prefix = total === 0 ? 0 : (matched[pod] as number) / total;
    return 2 * queue + 2 * (1 - kvUsage) + 3 * prefix;
  });
}

/** `capacity` gives the size of a pod's LRU in blocks; undefined: as without `cache_config_info`. */
function eppDefault(name: string, title: string, capacity: (world: World) => number | undefined): Contender {
  return {
    name,
    title,
    start(world): Router {
      const draws = new Draws(world.seed ^ 0xe99);
      const index = new PrefixIndex(world.pods.length, capacity(world));
      let metrics: Metrics[] = [];
      scrapeAsPicker(world, () => {
        metrics = world.pods.map(({ stats }) => ({ waiting: stats.waiting, kvUsage: stats.kvUsage }));
      });
      return {
        route({ blocks }) {
          const pod = highest(scores(metrics, index.match(blocks), blocks.length), draws);
          index.insert(blocks, pod);
          return { pod };
        },
      };
    },
  };
}

export const epp: Contender = eppDefault(
  "EPP, large index",
  "endpoint picker: queue 2, kv 2, prefix 3; scrapes every 50 ms; an LRU of 31,250 blocks, as for pods without cache_config_info",
  () => undefined,
);

/** What version 1.5.0 does with vLLM: `autoTune` takes the LRU's size from the pods' `cache_config_info`. */
export const eppAuto: Contender = eppDefault(
  "EPP default",
  "endpoint picker 1.5.0 as it tunes itself: queue 2, kv 2, prefix 3; scrapes every 50 ms; an LRU as large as a pod's cache",
  ({ pods }) => pods[0]?.params.kvBlocks,
);
