// Keeps the traffic reports of all Envoys of a fleet. For each Envoy it computes the sum of the other Envoys' traffic: the
// sections REMOTE and PREFIXES of its next snapshot (protocol/README.md).
//
// The id in its traffic reports identifies an Envoy. So an Envoy with several addresses counts once, and never in its own
// sum. A traffic report is valid for VALID_MS. Then the Envoy is gone, and so are its requests.
//
// The prefixes also serve Envoys that begin anew: they get a refill (refills.ts).
import { MAX_ENVOYS, MAX_REMOTE, MAX_REMOTE_WAITING, REMOTE_BYTES } from "../../protocol/constants.ts";
import type { RemoteCounts } from "../../protocol/snapshot.ts";
import { writeCounts } from "../../protocol/traffic.ts";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import { EndpointIndex } from "../snapshot/endpoint-index.ts";
import { CachedBlocks } from "./cached-blocks.ts";
import { PrefixUpdates } from "./prefix-updates.ts";
import { Refills } from "./refills.ts";

const VALID_MS = 1500;

/** The last traffic report of an address. */
interface Received {
  instance: bigint;
  /** Time at which the report arrived, milliseconds. */
  at: number;
  counts: TrafficReport["counts"];
  ring: bigint;
  end: bigint;
}

/** The traffic of the other Envoys, for one Envoy. */
export interface Others {
  envoys: number;
  /** The section REMOTE: REMOTE_BYTES for each endpoint. */
  counts: Uint8Array;
  /** The section PREFIXES. */
  prefixes: Uint8Array;
}

export class EnvoyTraffic {
  readonly #now: () => number;
  /** The last report by the origin of the Envoy. */
  readonly #received = new Map<string, Received>();
  readonly #updates: PrefixUpdates;
  readonly #blocks = new CachedBlocks();
  readonly #refills: Refills;
  /** The endpoints of the last snapshot. */
  #index = new EndpointIndex([]);

  /**
   * `now`: milliseconds. `first`: the numbers of prefix records and of refills begin above it. After a reload they must be above
   * the numbers of the run before.
   */
  constructor(now: () => number, first = 0) {
    this.#now = now;
    this.#updates = new PrefixUpdates(first);
    this.#refills = new Refills(this.#blocks, first);
  }

  /** Returns the cursor for the next request to an Envoy. It says which prefix updates of the Envoy have been received. */
  cursor(origin: string): string {
    const { ring = 0n, end = 0n } = this.#received.get(origin) ?? {};
    return `${ring}.${end}`;
  }

  /** Takes a traffic report. Returns whether the report has news, so that pushes to the other Envoys are due. */
  receive(origin: string, report: TrafficReport): boolean {
    const { instance, counts, ring, end, prefixes } = report;
    const before = this.#received.get(origin);
    const at = this.#now();
    this.#received.set(origin, { instance, at, counts, ring, end });
    if (prefixes.length > 0) {
      // An Envoy with two addresses reports its prefixes twice. Filters ignore records that they have received before.
      this.#updates.add(instance, prefixes, at);
      if (this.#isFirstAddress(origin, instance)) this.#blocks.use(prefixes, report.pieceBytes, this.#index);
    }
    this.#refills.reported(origin, report);
    return prefixes.length > 0 || before?.instance !== instance || !sameCounts(before.counts, counts);
  }

  /** The Envoy did not respond. */
  away(origin: string): void {
    this.#refills.away(origin);
  }

  forget(origin: string): void {
    this.#received.delete(origin);
    this.#refills.forget(origin);
  }

  /** Returns the section CACHED of the next push to the Envoy; undefined: no worker of it needs a refill. */
  refillOf(origin: string, index: EndpointIndex): Uint8Array | undefined {
    this.#index = index;
    return this.#refills.partFor(origin, index, this.#now());
  }

  /** Whether the next push to the Envoy has a section CACHED. */
  isRefilling(origin: string): boolean {
    return this.#refills.isRefilling(origin);
  }

  /** Returns the traffic of all Envoys except the Envoy at `origin`; undefined: no other Envoy is known. */
  othersOf(origin: string, index: EndpointIndex): Others | undefined {
    const others = this.#others(origin);
    if (others.length === 0) return undefined;
    const instances = new Set(others.map(({ instance }) => instance));
    const prefixes = this.#updates.of(instances, this.#now());
    return { envoys: others.length, counts: sumsOf(others, index), prefixes };
  }

  /** Whether no address before `origin` has reported for the Envoy. */
  #isFirstAddress(origin: string, instance: bigint): boolean {
    const since = this.#now() - VALID_MS;
    for (const [other, received] of this.#received)
      if (other < origin && received.instance === instance && received.at >= since) return false;
    return true;
  }

  /** Returns the latest valid report of each other Envoy. */
  #others(origin: string): Received[] {
    const own = this.#received.get(origin)?.instance;
    const since = this.#now() - VALID_MS;
    const byInstance = new Map<bigint, Received>();
    for (const [asked, received] of this.#received) {
      if (asked === origin || received.instance === own || received.at < since) continue;
      const known = byInstance.get(received.instance);
      if (known === undefined || known.at < received.at) byInstance.set(received.instance, received);
    }
    return [...byInstance.values()].slice(0, MAX_ENVOYS);
  }
}

/** Returns the section REMOTE: for each endpoint of the index the sum over these Envoys. */
function sumsOf(envoys: readonly Received[], index: EndpointIndex): Uint8Array {
  const sums = new Map<number, RemoteCounts>();
  for (const { counts } of envoys) {
    for (const [hash, one] of counts) {
      const at = index.indexOf(hash);
      if (at === undefined) continue;
      const sum = sums.get(at);
      sums.set(at, sum === undefined ? one : sumOf(sum, one));
    }
  }
  const bytes = new Uint8Array(index.size * REMOTE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [at, sum] of sums) writeCounts(view, at * REMOTE_BYTES, sum);
  return bytes;
}

function sumOf(a: RemoteCounts, b: RemoteCounts): RemoteCounts {
  const requests = Math.min(a.requests + b.requests, MAX_REMOTE);
  return {
    requests,
    lasted: Math.min(a.lasted + b.lasted, requests),
    pending: Math.min(a.pending + b.pending, MAX_REMOTE_WAITING),
    sent: (a.sent + b.sent) >>> 0,
  };
}

function sameCounts(a: TrafficReport["counts"], b: TrafficReport["counts"]): boolean {
  if (a.size !== b.size) return false;
  for (const [hash, one] of a) {
    const other = b.get(hash);
    if (other === undefined || other.requests !== one.requests || other.lasted !== one.lasted) return false;
    if (other.pending !== one.pending || other.sent !== one.sent) return false;
  }
  return true;
}
