// Prefix updates of the Envoys of a fleet: records of prefixes that their workers sent lately. Each update goes to the other
// Envoys with every push for REPEATED_MS. Memory: MAX_BYTES for each Envoy.
import { PREFIX_COUNT } from "../../protocol/constants.ts";
import { prefixStarts } from "../../protocol/traffic.ts";

/** Longer than 200 ms: an idle worker looks at snapshots that seldom. */
const REPEATED_MS = 500;
/** Of the records that a snapshot carries, and of those that are kept for each Envoy. */
const MAX_BYTES = 65536;

interface Update {
  /** The id of the Envoy. */
  instance: bigint;
  /** When the update came, milliseconds. */
  at: number;
  /** Records as they stand in the section PREFIXES. */
  bytes: Uint8Array;
}

export class PrefixUpdates {
  #updates: Update[] = [];
  #number: number;

  /** `first`: the numbers of the records begin above it. */
  constructor(first: number) {
    this.#number = first;
  }

  /** `prefixes`: the records of a traffic report, not numbered yet. `now`: milliseconds. */
  add(instance: bigint, prefixes: Uint8Array, now: number): void {
    const added = { instance, at: now, bytes: this.#numbered(prefixes) };
    this.#updates = this.#updates.filter(({ at }) => at >= now - REPEATED_MS);
    this.#updates.push(added);
    let bytes = 0;
    for (let i = this.#updates.length - 1; i >= 0; i--) {
      const update = this.#updates[i] as Update;
      if (update.instance === instance) bytes += update.bytes.length;
      if (bytes > MAX_BYTES && update !== added) this.#updates.splice(i, 1);
    }
  }

  /** The newest records of these Envoys that a snapshot has room for, in the order of their numbers. */
  of(instances: ReadonlySet<bigint>, now: number): Uint8Array {
    let room = MAX_BYTES;
    const chosen: Uint8Array[] = [];
    for (const { instance, at, bytes } of this.#updates.toReversed()) {
      if (at < now - REPEATED_MS || !instances.has(instance)) continue;
      if (bytes.length > room) break;
      room -= bytes.length;
      chosen.unshift(bytes);
    }
    return new Uint8Array(Buffer.concat(chosen));
  }

  /** A copy with a number in each record. The numbers are 48 bits long; a filter ignores those that it has had. */
  #numbered(prefixes: Uint8Array): Uint8Array {
    // Not slice(): of a Buffer that would be the same memory.
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
