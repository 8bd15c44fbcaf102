// Keeps the last value of each signal that a page lacks. Some servers show a number only from time to time: Ray's agent (2.54)
// clears its gauges when it is scraped, and fills them every 10 s. A page without a number then says nothing new, and the last
// number stays true, with its own age.
import type { Reading } from "../engines/reading.ts";

/** A signal that no page has had for this long is unknown. */
const HOLD_MS = 60_000;

const AGEING = ["waiting", "running", "kvUsage"] as const;
const LASTING = ["kvBlocks", "blockTokens", "offloadGiB", "cacheBytes"] as const;
type Kept = (typeof AGEING)[number];

interface Joined {
  reading: Reading;
  /** When the oldest of the reading's signals was read, ms. */
  at: number;
}

export class LastSignals {
  #last: Reading | null = null;
  readonly #seenAt = new Map<Kept | "any", number>();

  /** Completes a reading of the time `at`, ms, with the last values of the signals that the page lacks. */
  join(reading: Reading, at: number): Joined {
    const last = this.#last;
    const restarted =
      last?.counters.startedAt !== reading.counters.startedAt && reading.counters.startedAt !== undefined;
    if (last === null || (restarted && last.counters.startedAt !== undefined)) this.#seenAt.clear();
    const before = this.#seenAt.size === 0 ? null : last;
    const joined: Reading = { ...reading };
    let oldest = at;
    let any = false;
    for (const signal of AGEING) {
      if (reading[signal] !== null) {
        this.#seenAt.set(signal, at);
        any = true;
        continue;
      }
      const seenAt = this.#seenAt.get(signal) ?? Number.NEGATIVE_INFINITY;
      if (before === null || before[signal] === null || at - seenAt > HOLD_MS) continue;
      joined[signal] = before[signal];
      oldest = Math.min(oldest, seenAt);
    }
    if (any) this.#seenAt.set("any", at);
    const known = before !== null && at - (this.#seenAt.get("any") ?? Number.NEGATIVE_INFINITY) <= HOLD_MS;
    if (known && before !== null) {
      for (const signal of LASTING) joined[signal] ??= before[signal];
      joined.adapters ??= before.adapters;
      joined.engine ??= before.engine;
      if (!any) joined.asleep = before.asleep;
      if (Object.keys(joined.counters).length === 0) joined.counters = before.counters;
    }
    this.#last = joined;
    return { reading: joined, at: oldest };
  }
}
