// A yardstick that no gateway can be: each prompt's beginning has one pod of its own, dealt out in turn as they come. Nothing is
// prefilled twice that a cache still holds, and every pod has as many. What splits a prompt over pods can only be worse where
// caches are full; how much a pool carries with it is what the loads "fitting" are a fraction of.
import type { Contender } from "./world.ts";

/** Blocks of 64 bytes: behind what all prompts have in common, within the system prompts of the loads. */
const KEY_BLOCK = 60;

export const home: Contender = {
  name: "fixed homes",
  title: "each prompt's beginning has one pod of its own, dealt out in turn: a yardstick, not a picker",
  start(world) {
    const homes = new Map<number, number>();
    return {
      route({ blocks }) {
        const key = blocks[Math.min(KEY_BLOCK, blocks.length - 1)] ?? 0;
        const pod = homes.get(key) ?? homes.size % world.pods.length;
        homes.set(key, pod);
        return { pod };
      },
    };
  },
};
