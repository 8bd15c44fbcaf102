// Keeps the traffic reports of all Envoys of a fleet. For each Envoy it computes the sum of the other Envoys' traffic: its next
// traffic push, or the sections REMOTE and PREFIXES of its next snapshot (protocol/README.md).
//
// The id in its traffic reports identifies an Envoy. So an Envoy with several addresses counts once, and never in its own
// sum. A traffic report is valid for some time. Then the Envoy is gone, and so are its requests.
//
// The prefixes also serve Envoys that begin anew: they get a refill (refills.ts).
import {
  EXCHANGE_SPACING_MICROSECONDS,
  MAX_ENVOYS,
  MAX_REMOTE,
  MAX_REMOTE_WAITING,
  REMOTE_BYTES,
} from "../../protocol/constants.ts";
import type { RemoteCounts } from "../../protocol/snapshot.ts";
import { writeCounts } from "../../protocol/traffic.ts";
import type { TrafficReport } from "../../protocol/traffic-report.ts";
import { EndpointIndex } from "../snapshot/endpoint-index.ts";
import { CachedBlocks } from "./cached-blocks.ts";
import { PrefixUpdates } from "./prefix-updates.ts";
import { Refills } from "./refills.ts";

/** The shortest time for which a report is valid. Where polls are far apart, a report is valid for three polls. */
const MIN_VALID_MS = 1500;
const VALID_MS_PER_ENVOY = (3 * EXCHANGE_SPACING_MICROSECONDS) / 1000;

/** The last traffic report of an address, without its prefixes and sums. */
interface Received extends Pick<TrafficReport, "instance" | "counts" | "ring" | "end" | "news" | "collector"> {
  /** Time at which the report arrived, milliseconds. */
  at: number;
}

/** The traffic of the other Envoys, for the snapshot of one Envoy. */
export interface Others {
  envoys: number;
  /** The section REMOTE: REMOTE_BYTES for each endpoint. */
  counts: Uint8Array;
  /** The section PREFIXES. */
  prefixes: Uint8Array;
}

/** The sums of the other Envoys' counts, for one Envoy. */
interface Sums {
  envoys: number;
  /** By the hash of the endpoint's address; only endpoints with requests. */
  counts: Map<bigint, RemoteCounts>;
}

const NONE: RemoteCounts = { requests: 0, lasted: 0, pending: 0, sent: 0 };

export class EnvoyTraffic {
  readonly #now: () => number;
  readonly #preferred: (origin: string) => boolean;
  /** The last report by the origin of the Envoy. */
  readonly #received = new Map<string, Received>();
  /** The latest valid report of each Envoy, and the origin that gave it. */
  readonly #latest = new Map<bigint, { origin: string; at: number; counts: Received["counts"] }>();
  /** The sum of the counts in #latest, without limits. A change adds and subtracts, so its cost does not grow with the fleet. */
  readonly #totals = new Map<bigint, RemoteCounts>();
  /** The Envoys of #latest that use the queues of scrapes. */
  readonly #queueUsers = new Set<bigint>();
  readonly #updates: PrefixUpdates;
  readonly #blocks = new CachedBlocks();
  readonly #refills: Refills;
  /** The endpoints of the last snapshot. */
  #index = new EndpointIndex([]);

  /**
   * `now`: milliseconds. `first`: the numbers of prefix records and of refills begin above it. After a reload they must be above
   * the numbers of the run before. `preferred`: whether an origin is preferred to others of the same Envoy.
   */
  constructor(now: () => number, first = 0, preferred: (origin: string) => boolean = () => false) {
    this.#now = now;
    this.#preferred = preferred;
    this.#updates = new PrefixUpdates(first);
    this.#refills = new Refills(this.#blocks, first);
  }

  /** Returns the cursor for the next request to an Envoy. It says which prefix updates of the Envoy have been received. */
  cursor(origin: string): string {
    const { ring = 0n, end = 0n } = this.#received.get(origin) ?? {};
    return `${ring}.${end}`;
  }

  /** Returns the last report of an origin, if it is valid. */
  last(origin: string): Pick<Received, "news" | "collector" | "at"> | undefined {
    const received = this.#received.get(origin);
    return received === undefined || received.at < this.#now() - this.#validMs ? undefined : received;
  }

  get #validMs(): number {
    return Math.max(MIN_VALID_MS, VALID_MS_PER_ENVOY * this.#received.size);
  }

  /** Number of Envoys with a valid report. */
  get envoys(): number {
    this.#expire();
    return this.#latest.size;
  }

  /** In-flight requests of all Envoys on an endpoint; undefined: no Envoy has a valid report. `hash`: of the endpoint's address. */
  requestsOn(hash: bigint): number | undefined {
    return this.#latest.size === 0 ? undefined : (this.#totals.get(hash)?.requests ?? 0);
  }

  /** Whether an Envoy has reported that it uses the queues of scrapes. */
  get usesQueues(): boolean {
    return this.#queueUsers.size > 0;
  }

  /** Returns whether the Envoy at `origin` is also at an origin that is preferred, or was known before if both or none are. */
  isAlias(origin: string): boolean {
    const preferred = this.#preferred;
    const instance = this.#received.get(origin)?.instance;
    let before = true;
    for (const [other, received] of this.#received) {
      if (other === origin) before = false;
      else if (received.instance === instance && this.last(other) !== undefined) {
        if (preferred(other) === preferred(origin) ? before : preferred(other)) return true;
      }
    }
    return false;
  }

  /** Takes a traffic report. Returns whether the report has news, so that pushes to the other Envoys are due. */
  receive(origin: string, report: TrafficReport): boolean {
    const { instance, counts, ring, end, news, collector, prefixes } = report;
    const at = this.#now();
    const replaced = this.#received.get(origin)?.instance;
    if (replaced !== undefined && replaced !== instance && this.#latest.get(replaced)?.origin === origin)
      this.#drop(replaced);
    this.#received.set(origin, { instance, at, counts, ring, end, news, collector });
    // An Envoy with two addresses reports its prefixes twice.
    const fresh = prefixes.length > 0 && !this.isAlias(origin);
    if (fresh) {
      this.#updates.add(instance, prefixes, at);
      this.#blocks.use(prefixes, report.pieceBytes, this.#index);
    }
    this.#refills.reported(origin, report);
    const before = this.#latest.get(instance);
    this.#latest.set(instance, { origin, at, counts });
    if (report.usesQueues) this.#queueUsers.add(instance);
    else this.#queueUsers.delete(instance);
    if (before !== undefined && sameCounts(before.counts, counts)) return fresh;
    if (before !== undefined) this.#count(before.counts, -1);
    this.#count(counts, 1);
    return true;
  }

  /** The Envoy did not respond. */
  away(origin: string): void {
    this.#refills.away(origin);
  }

  forget(origin: string): void {
    this.#received.delete(origin);
    for (const [instance, latest] of this.#latest) if (latest.origin === origin) this.#drop(instance);
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

  /** Returns the sums of all Envoys except the Envoy at `origin`. */
  sumsOf(origin: string): Sums {
    this.#expire();
    const own = this.#latest.get(this.#received.get(origin)?.instance ?? 0n);
    const envoys = Math.min(this.#latest.size - (own === undefined ? 0 : 1), MAX_ENVOYS);
    const counts: Sums["counts"] = new Map();
    for (const [hash, total] of this.#totals) {
      const sum = limited(added(total, own?.counts.get(hash) ?? NONE, -1));
      if (sum.requests > 0 || sum.pending > 0) counts.set(hash, sum);
    }
    return { envoys, counts };
  }

  /** Returns the prefixes of all Envoys except the Envoy at `origin` whose numbers are above `number`, and their highest number. */
  prefixesOf(origin: string, number: number): { bytes: Uint8Array; number: number } {
    return this.#updates.after(number, this.#received.get(origin)?.instance);
  }

  /** Returns the traffic of all Envoys except the Envoy at `origin` for a snapshot; undefined: no other Envoy is known. */
  othersOf(origin: string, index: EndpointIndex): Others | undefined {
    const sums = this.sumsOf(origin);
    if (sums.envoys === 0) return undefined;
    const bytes = new Uint8Array(index.size * REMOTE_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [hash, sum] of sums.counts) {
      const at = index.indexOf(hash);
      if (at !== undefined) writeCounts(view, at * REMOTE_BYTES, sum);
    }
    const own = this.#received.get(origin)?.instance;
    const instances = new Set([...this.#latest.keys()].filter((instance) => instance !== own));
    return { envoys: sums.envoys, counts: bytes, prefixes: this.#updates.of(instances, this.#now()) };
  }

  #expire(): void {
    const since = this.#now() - this.#validMs;
    for (const [instance, { at }] of this.#latest) if (at < since) this.#drop(instance);
  }

  #drop(instance: bigint): void {
    const latest = this.#latest.get(instance);
    this.#latest.delete(instance);
    this.#queueUsers.delete(instance);
    if (latest !== undefined) this.#count(latest.counts, -1);
  }

  /** Adds an Envoy's counts to the totals, or subtracts them. */
  #count(counts: Received["counts"], sign: 1 | -1): void {
    for (const [hash, one] of counts) {
      const total = added(this.#totals.get(hash) ?? NONE, one, sign);
      if (total.requests === 0 && total.pending === 0 && total.sent === 0) this.#totals.delete(hash);
      else this.#totals.set(hash, total);
    }
  }
}

function added(a: RemoteCounts, b: RemoteCounts, sign: 1 | -1): RemoteCounts {
  return {
    requests: a.requests + sign * b.requests,
    lasted: a.lasted + sign * b.lasted,
    pending: a.pending + sign * b.pending,
    sent: a.sent + sign * b.sent,
  };
}

function limited({ requests, lasted, pending, sent }: RemoteCounts): RemoteCounts {
  const most = Math.min(requests, MAX_REMOTE);
  return {
    requests: most,
    lasted: Math.min(lasted, most),
    pending: Math.min(pending, MAX_REMOTE_WAITING),
    sent: sent % 2 ** 32,
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
