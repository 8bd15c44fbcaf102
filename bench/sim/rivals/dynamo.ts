// Dynamo's KV router with its default weights, temperature 0 and exact KV events.
//
//   cost(p) = max(0, prefill(p) + prompt - cached(p)) + active(p) + new(p)      in KV blocks; the lowest wins, ties at random
//
//   prefill   uncached tokens of the requests without a first byte
//   cached    blocks of the prompt in the pod's cache, which the pod's KV events tell
//   active    blocks of the prompts of all requests in flight; blocks that several prompts share count once
//   new       blocks of this prompt that no request in flight on the pod has
//
// Defaults of the source: overlap_score_credit 1, its decay 0, prefill_load_scale 1, decode_active_request_weight 0, router_temperature 0,
// blocks of answers are not tracked. Not modelled: events arrive without delay; router_queue_threshold, which holds requests back once
// every pod has 16 * max_num_batched_tokens to prefill.
// Source: ai-dynamo/dynamo, lib/kv-router/src/scheduling/{config.rs,selector/default.rs} (2026).
import type { Engine } from "../../../simulator/engine/engine.ts";
import { Draws } from "../draws.ts";
import type { Contender } from "../world.ts";
import { lowest } from "./choose.ts";

/** What the router believes of one pod. */
class Worker {
  prefillTokens = 0;
  /** Number of requests in flight for each block of their prompts. */
  readonly #users = new Map<number, number>();
  /** Blocks at the ends of prompts, which are not full and have no hash. */
  #partial = 0;

  get idle(): boolean {
    return this.prefillTokens === 0 && this.#users.size === 0 && this.#partial === 0;
  }

  activeWith(hashes: ArrayLike<number>, partial: number): number {
    let fresh = 0;
    for (let i = 0; i < hashes.length; i++) if (!this.#users.has(hashes[i] as number)) fresh++;
    return this.#users.size + this.#partial + fresh + partial;
  }

  count(hashes: ArrayLike<number>, partial: number, by: 1 | -1): void {
    this.#partial += by * partial;
    for (let i = 0; i < hashes.length; i++) {
      const hash = hashes[i] as number;
      const users = (this.#users.get(hash) ?? 0) + by;
      if (users === 0) this.#users.delete(hash);
      else this.#users.set(hash, users);
    }
  }
}

export const dynamo: Contender = {
  name: "Dynamo KV",
  title: "Dynamo's KV router: prefill blocks that are pending or new + active blocks, exact KV events, temperature 0",
  start(world) {
    const draws = new Draws(world.seed ^ 0xd1);
    const workers = world.pods.map(() => new Worker());
    return {
      route({ prompt: { hashes, tokens } }) {
        const blockSize = (world.pods[0] as Engine).params.blockSize;
        const partial = Math.ceil(tokens / blockSize) - hashes.length;
        const cached = world.pods.map(({ cache }) => cache.match(hashes, hashes.length));
        const costs = workers.map((worker, i) => {
          const prefill = (worker.prefillTokens + tokens) / blockSize - (cached[i] as number);
          return Math.max(0, prefill) + worker.activeWith(hashes, partial);
        });
        const pod = lowest(costs, draws);
        const worker = workers[pod] as Worker;
        const own = Math.max(0, tokens - (cached[pod] as number) * blockSize);
        worker.prefillTokens += own;
        worker.count(hashes, partial, 1);
        return {
          pod,
          firstByte: () => {
            worker.prefillTokens -= own;
          },
          end: () => worker.count(hashes, partial, -1),
        };
      },
      close() {
        if (workers.some(({ idle }) => !idle)) throw new Error("Dynamo KV: requests are still counted at the end");
      },
    };
  },
};
