// Keeps prefix updates of the Envoys of a fleet: records of prefixes that their workers sent lately. Traffic pushes have each update
// once. Snapshots for filters without traffic pushes repeat it for REPEATED_MS. Memory: MAX_BYTES for each Envoy.
import { PREFIX_COUNT } from "../../protocol/constants.ts";
import { prefixStarts } from "../../protocol/traffic.ts";

/** The time is longer than 200 ms, because an idle worker takes over a snapshot only every 200 ms. */
const REPEATED_MS = 500;
/** Limit of the records in a snapshot, and of the records that are kept for each Envoy. */
const MAX_BYTES = 65536;

interface Update {
  /** The id of the Envoy. */
  instance: bigint;
  /** Time at which the update arrived, milliseconds. */
  at: number;
  /** Records in the format of the section PREFIXES, and the number of the last record. */
  bytes: Uint8Array;
  number: number;
}

export class PrefixUpdates {
  #updates: Update[] = [];
  #number: number;

  /** `first`: the numbers of the records begin above it. */
  constructor(first: number) {
    this.#number = first;
  }

  /** Adds an update. `prefixes`: the records of a traffic report, not numbered yet. `now`: milliseconds. */
  add(instance: bigint, prefixes: Uint8Array, now: number): void {
    const bytes = this.#numbered(prefixes);
    const added = { instance, at: now, bytes, number: this.#number };
    this.#updates = this.#updates.filter(({ at }) => at >= now - REPEATED_MS);
    this.#updates.push(added);
    let size = 0;
    for (let i = this.#updates.length - 1; i >= 0; i--) {
      const update = this.#updates[i] as Update;
      if (update.instance === instance) size += update.bytes.length;
      if (size > MAX_BYTES && update !== added) this.#updates.splice(i, 1);
    }
  }

  /** Returns the newest records above `number` of all Envoys but `except`, as many as a traffic push may have, and the last number. */
  after(number: number, except: bigint | undefined): { bytes: Uint8Array; number: number } {
    const all = this.#updates.filter((update) => update.number > number && update.instance !== except);
    return { bytes: newest(all), number: this.#number };
  }

  /** Returns the newest records of these Envoys in the order of their numbers, as many as fit into a snapshot. */
  of(instances: ReadonlySet<bigint>, now: number): Uint8Array {
    return newest(this.#updates.filter(({ instance, at }) => at >= now - REPEATED_MS && instances.has(instance)));
  }

  /**
   * Returns a copy with a number in each record. A number has 48 bits. A filter ignores records whose numbers it has received
   * before.
   */
  #numbered(prefixes: Uint8Array): Uint8Array {
    // slice() of a Buffer would return the same memory, not a copy.
    const bytes = new Uint8Array(prefixes);
    const view = new DataView(bytes.buffer);
    for (const at of prefixStarts(bytes, "prefixes")) {
      const number = ++this.#number;
      view.setUint32(at + PREFIX_COUNT + 2, number % 2 ** 32, true);
      view.setUint16(at + PREFIX_COUNT + 6, Math.floor(number / 2 ** 32), true);
    }
    return bytes;
  }
}

/** Returns the records of the newest updates, as many as fit into MAX_BYTES, in the order of their numbers. */
function newest(updates: readonly Update[]): Uint8Array {
  let room = MAX_BYTES;
  const chosen: Uint8Array[] = [];
  for (const { bytes } of updates.toReversed()) {
    if (bytes.length > room) break;
    room -= bytes.length;
    chosen.unshift(bytes);
  }
  return new Uint8Array(Buffer.concat(chosen));
}
