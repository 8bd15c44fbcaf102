// A bound, which no gateway can be: it knows each pod's caches, queue, step in progress and step costs.
//
//   cost(p) = first token of this request + delay of those that come behind
//
//   first    rest of the step + prefill of all that is ahead and of the own uncached tokens + steps and sequences on the way
//   delay    OWN * the own prefill + STEP * a step without prefill for each sequence there

import { Draws } from "../draws.ts";
import type { Contender, World } from "../world.ts";
import { lowest } from "./choose.ts";

const OWN = 1;
const STEP = 0.1;

function costMs(pod: World["pods"][number], hashes: ArrayLike<number>, tokens: number): number {
  const { stepBaseMs, prefillTokenMs, sequenceMs, tokenBudget, speed } = pod.params;
  const { sequences, prefillTokens, stepLeftMs } = pod.outlook();
  const own = pod.cache.uncachedTokens(hashes, tokens);
  const ahead = prefillTokens + own;
  const first = prefillTokenMs * ahead + stepBaseMs * Math.ceil(ahead / tokenBudget) + sequenceMs * (sequences + 1);
  const delay = OWN * prefillTokenMs * own + STEP * stepBaseMs * sequences;
  return stepLeftMs + (first + delay) / speed;
}

export const exactState: Contender = {
  name: "exact state",
  title: "knows each pod's cache, queue, step in progress and step costs; for comparison, not a picker",
  start(world) {
    const draws = new Draws(world.seed ^ 0x77);
    return {
      route: ({ prompt: { hashes, tokens } }) => ({
        pod: lowest(
          world.pods.map((pod) => costMs(pod, hashes, tokens)),
          draws,
        ),
      }),
    };
  },
};
