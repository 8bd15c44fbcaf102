// Finds an endpoint of a snapshot by its hash, which identifies the endpoint in traffic reports.
import { PREFIX_UNIT_TOKENS, UNKNOWN_CACHE_TOKENS } from "../../protocol/constants.ts";
import { textHash } from "../../protocol/traffic.ts";

/** The endpoints of a snapshot, in its order. */
export class EndpointIndex {
  readonly size: number;
  readonly #indexes = new Map<bigint, number>();
  readonly #tokens: readonly number[];

  /** `tokens`: for how many tokens the cache of each endpoint has room; an endpoint without a number has a cache of unknown size. */
  constructor(addresses: readonly string[], tokens: readonly number[] = []) {
    this.size = addresses.length;
    this.#tokens = tokens;
    for (const [index, address] of addresses.entries()) this.#indexes.set(hashOf(address), index);
  }

  /** Returns the endpoint's index in the snapshot; undefined: the snapshot does not have the endpoint. */
  indexOf(hash: bigint): number | undefined {
    return this.#indexes.get(hash);
  }

  /** Returns for how many units of PREFIX_UNIT_TOKENS the endpoint's cache has room, as a filter assumes it. */
  roomOf(hash: bigint): number {
    return (this.#tokens[this.#indexes.get(hash) ?? -1] || UNKNOWN_CACHE_TOKENS) / PREFIX_UNIT_TOKENS;
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
