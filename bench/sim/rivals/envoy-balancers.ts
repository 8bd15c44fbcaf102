// Envoy's own balancers.

import { Draws } from "../draws.ts";
import type { Contender } from "../world.ts";

export const roundRobin: Contender = {
  name: "round robin",
  title: "Envoy's ROUND_ROBIN, one worker",
  start(world) {
    let next = 0;
    return { route: () => ({ pod: next++ % world.pods.length }) };
  },
};

/**
 * Picks the pod with the fewest requests of this gateway in flight, of `choices` random pods (Envoy's choice_count). 0 compares
 * all pods.
 */
function leastRequest(name: string, title: string, choices: number): Contender {
  return {
    name,
    title,
    start(world) {
      const draws = new Draws(world.seed ^ 0x1ea57);
      const count = world.pods.length;
      const active = new Uint32Array(count);
      const load = (pod: number) => active[pod] as number;
      const choose = (): number => {
        let best = draws.below(count);
        if (choices > 0) {
          for (let i = 1; i < choices; i++) {
            const other = draws.below(count);
            if (load(other) < load(best)) best = other;
          }
          return best;
        }
        // Starts at a random pod, so that ties are spread evenly.
        const from = best;
        for (let i = 1; i < count; i++) {
          const other = (from + i) % count;
          if (load(other) < load(best)) best = other;
        }
        return best;
      };
      return {
        route() {
          const pod = choose();
          active[pod] = load(pod) + 1;
          const end = () => {
            active[pod] = load(pod) - 1;
          };
          return { pod, end };
        },
        close() {
          if (active.some((left) => left !== 0)) throw new Error(`${name}: requests are still counted at the end`);
        },
      };
    },
  };
}

export const leastRequest2 = leastRequest("least request", "Envoy's LEAST_REQUEST, choice_count 2, one worker", 2);
export const leastRequestAll = leastRequest("least req, all", "the least of all pods by own requests in flight", 0);
