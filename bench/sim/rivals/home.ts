// A contender for comparison, which no real gateway can be: each prompt prefix has a fixed pod, and new prefixes get their pods in
// turn. So no cached prefix is computed twice, and every pod has the same number of prefixes. With full caches, a picker that spreads a
// prefix over pods can only be worse. The loads "fitting" are fractions of the rate that a pool reaches with fixed homes.
import type { SimRequest } from "../request.ts";
import type { Contender } from "../world.ts";

/** A position in a prompt, in blocks of 64 bytes. It is after the part that all prompts share, and within the loads' system prompts. */
const KEY_BLOCK = 60;

export const home: Contender = {
  name: "fixed homes",
  title:
    "each prompt's beginning has one fixed pod, and new beginnings get their pods in turn; for comparison, not a picker",
  start(world) {
    const homeOf = fixedHomes(world.pods.length);
    return { route: (request) => ({ pod: homeOf(request) }) };
  },
};

/** Returns the home of each request. The order of the calls matters. */
export function fixedHomes(pods: number): (request: Pick<SimRequest, "blocks">) => number {
  const homes = new Map<number, number>();
  return ({ blocks }) => {
    const key = blocks[Math.min(KEY_BLOCK, blocks.length - 1)] ?? 0;
    const pod = homes.get(key) ?? homes.size % pods;
    homes.set(key, pod);
    return pod;
  };
}
