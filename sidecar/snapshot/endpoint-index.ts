// Finds an endpoint of a snapshot by the hash that traffic reports name it by.
import { addressHash } from "../../protocol/traffic.ts";

/** Endpoints of a snapshot in its order, found by the hash that reports name them by. */
export class EndpointIndex {
  readonly size: number;
  readonly #places = new Map<bigint, number>();

  constructor(addresses: readonly string[]) {
    this.size = addresses.length;
    for (const [place, address] of addresses.entries()) this.#places.set(hashOf(address), place);
  }

  placeOf(hash: bigint): number | undefined {
    return this.#places.get(hash);
  }
}

const hashes = new Map<string, bigint>();
const MOST_HASHES = 50_000;

function hashOf(address: string): bigint {
  let hash = hashes.get(address);
  if (hash === undefined) {
    if (hashes.size >= MOST_HASHES) hashes.clear();
    hash = addressHash(address);
    hashes.set(address, hash);
  }
  return hash;
}
