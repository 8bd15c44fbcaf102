// Decides which Envoys are refilled, and with which part. An Envoy is refilled when a traffic report shows a new Envoy, or another
// worker whose prefix index is empty. Such workers take over the parts that they see; the others ignore them
// (assembly/endpoints/cache/refill.ts). So each part is pushed for SHOWN_MS, and after each such report all parts are pushed once more.
import type { EndpointIndex } from "../snapshot/endpoint-index.ts";
import type { CachedBlocks } from "./cached-blocks.ts";

/** The time is longer than 200 ms, because an idle worker takes over a snapshot only every 200 ms. */
const SHOWN_MS = 300;

interface Refill {
  parts: readonly Uint8Array[];
  /** Index of the part that pushes have now, and since when, ms. */
  part: number;
  since: number;
  /** Number of parts that are still to be pushed, with this part. */
  left: number;
}

interface KnownEnvoy {
  instance: bigint;
  emptied: number;
  /** Whether workers wait for a refill that has not begun. */
  due: boolean;
  refill: Refill | undefined;
}

export class Refills {
  readonly #blocks: CachedBlocks;
  readonly #envoys = new Map<string, KnownEnvoy>();
  #number: number;

  /** `first`: the numbers of refills begin above it. */
  constructor(blocks: CachedBlocks, first: number) {
    this.#blocks = blocks;
    this.#number = first;
  }

  /** Takes what a traffic report of the Envoy says. */
  reported(origin: string, { instance, emptied }: { instance: bigint; emptied: number }): void {
    const known = this.#envoys.get(origin);
    if (known?.instance === instance && known.emptied === emptied) return;
    this.#envoys.set(origin, { instance, emptied, due: this.#blocks.size > 0, refill: known?.refill });
  }

  /** The Envoy did not respond. It may begin anew, so the next pushes have a refill before it reports. */
  away(origin: string): void {
    const known = this.#envoys.get(origin);
    if (known !== undefined) known.due = this.#blocks.size > 0;
  }

  forget(origin: string): void {
    this.#envoys.delete(origin);
  }

  /** Whether the next push to the Envoy has a part. */
  isRefilling(origin: string): boolean {
    const known = this.#envoys.get(origin);
    return known !== undefined && (known.due || known.refill !== undefined);
  }

  /**
   * Returns the part for a push to the Envoy at `now`, ms; undefined: it needs none. An Envoy that never reported may be new, so its
   * first push has a part.
   */
  partFor(origin: string, index: EndpointIndex, now: number): Uint8Array | undefined {
    let known = this.#envoys.get(origin);
    if (known === undefined) {
      known = { instance: 0n, emptied: 0, due: this.#blocks.size > 0, refill: undefined };
      this.#envoys.set(origin, known);
    }
    if (known.due) {
      known.due = false;
      if (known.refill === undefined) known.refill = this.#begin(index, now);
      // This part was shown for a while already, so it comes once more at the end.
      else known.refill.left = known.refill.parts.length + 1;
    }
    const { refill } = known;
    if (refill === undefined) return undefined;
    if (now - refill.since >= SHOWN_MS) {
      refill.since = now;
      refill.part = (refill.part + 1) % refill.parts.length;
      refill.left--;
    }
    if (refill.left > 0) return refill.parts[refill.part];
    known.refill = undefined;
    return undefined;
  }

  #begin(index: EndpointIndex, now: number): Refill | undefined {
    const parts = this.#blocks.parts(++this.#number, index);
    return parts.length === 0 ? undefined : { parts, part: 0, since: now, left: parts.length };
  }
}
