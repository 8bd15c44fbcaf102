// Finds an endpoint of a snapshot by its hash, which identifies the endpoint in traffic reports.
import { textHash } from "../../protocol/traffic.ts";

/** The endpoints of a snapshot, in its order. */
export class EndpointIndex {
  readonly size: number;
  readonly #indexes = new Map<bigint, number>();

  constructor(addresses: readonly string[]) {
    this.size = addresses.length;
    for (const [index, address] of addresses.entries()) this.#indexes.set(hashOf(address), index);
  }

  /** Returns the endpoint's index in the snapshot; undefined: the snapshot does not have the endpoint. */
  indexOf(hash: bigint): number | undefined {
    return this.#indexes.get(hash);
  }
}

/** Hashes of addresses. They are kept, since the next snapshot has nearly the same endpoints. */
const hashes = new Map<string, bigint>();
const MAX_HASHES = 50_000;

function hashOf(address: string): bigint {
  let hash = hashes.get(address);
  if (hash === undefined) {
    if (hashes.size >= MAX_HASHES) hashes.clear();
    hash = textHash(address);
    hashes.set(address, hash);
  }
  return hash;
}
