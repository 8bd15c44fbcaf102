// All that the sidecar knows about places: its peers, the round trips, the order of places, and the policies.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Secrets } from "../credentials/secrets.ts";
import type { ClusterSeen } from "../kubernetes/cluster-objects.ts";
import type { Log } from "../log.ts";
import type { Pod } from "../pod.ts";
import { PlaceOrder, type PlacesConfig } from "../policies/place-order.ts";
import { policiesOf } from "../policies/policies-of-manifests.ts";
import type { Policy } from "../policies/policy.ts";
import type { World } from "../snapshot/place-records.ts";
import { Peer } from "./peer.ts";
import { RoundTrips } from "./round-trips.ts";
import { viewOf } from "./view.ts";

interface NeighbourParts {
  secrets: Secrets;
  clock: Clock;
  log: Log;
  /** Called when a peer sent a view, or when its view became stale. */
  changed(): void;
  /** A request to a peer failed. */
  failed(origin: string): void;
}

export class Neighbours {
  readonly #config: Config;
  readonly #secrets: Secrets;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #peers: Peer[];
  readonly #order: PlaceOrder;
  readonly #roundTrips = new RoundTrips();
  #policies: readonly Policy[];
  #problems: readonly string[] = [];

  constructor(config: Config, { clock, log, changed, failed, secrets }: NeighbourParts) {
    this.#secrets = secrets;
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#policies = config.policies;
    this.#order = new PlaceOrder(placesOf(config));
    this.#peers = config.peers.map(({ url, place, mode, gateway, interval, staleAfter }) => {
      const { origin } = url;
      return new Peer(
        { origin, place, mode, gateway, intervalMs: interval, staleAfterMs: staleAfter, secrets },
        {
          clock,
          log,
          changed,
          failed,
          measured: (from, ms) => this.#roundTrips.measured(from, ms, clock.now()),
        },
      );
    });
  }

  start(): void {
    for (const peer of this.#peers) peer.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.close()));
  }

  /** Whether each peer has sent a view or failed once. */
  get settled(): boolean {
    return this.#peers.every(({ settled }) => settled);
  }

  /** Returns the sidecar's own pods, then the pods of peers that have other addresses. */
  *withPeers(own: Iterable<Pod>): Iterable<Pod> {
    const known = new Set<string>();
    for (const pod of own) {
      known.add(pod.address);
      yield pod;
    }
    for (const peer of this.#peers) {
      for (const pod of peer.pods()) {
        if (known.has(pod.address)) continue;
        known.add(pod.address);
        yield pod;
      }
    }
  }

  /** Reads the policies in the cluster's objects. Logs each new problem once. */
  reported(seen: readonly ClusterSeen[]): void {
    const { policies, problems } = policiesOf(seen.flatMap(({ policies: objects }) => objects));
    this.#policies = [...this.#config.policies, ...policies];
    for (const problem of problems) if (!this.#problems.includes(problem)) this.#log.warn({}, problem);
    this.#problems = problems;
  }

  /** A scrape of the pod took `seconds`. For a pod of another place, the time is used as the round trip to the place. */
  scraped({ place }: Pod, seconds: number): void {
    const { here } = this.#config.places;
    if (place !== undefined && place !== here) this.#roundTrips.measured(place, seconds * 1000, this.#clock.now());
  }

  world(): World {
    const { places } = this.#config;
    const regions = new Map(this.#peers.flatMap(({ place, region }) => (place && region ? [[place, region]] : [])));
    return {
      here: places.here,
      configured: this.#peers.length > 0 || places.list.length > 0,
      order: this.#order,
      regions,
      roundTripsMs: this.#roundTrips.all(),
      policies: this.#policies,
    };
  }

  /** Whether `secret` is one of the shared secrets. */
  knows(secret: string | undefined): boolean {
    // The secret is compared with all shared secrets, so that the time does not show which secret matches.
    return this.#secrets.inTurn(undefined).filter((one) => sameText(secret ?? "", one)).length > 0;
  }

  /** Returns the view for other sidecars; undefined: the secret is wrong. `sums`: the view has all pods as one. */
  view(
    own: Iterable<Pod>,
    seen: readonly ClusterSeen[],
    secret: string | undefined,
    sums: boolean,
  ): object | undefined {
    const { places } = this.#config;
    if (!this.knows(secret)) return undefined;
    const offer = { place: places.here, region: placesOf(this.#config).list[0]?.region, pools: places.export };
    return viewOf(own, seen, offer, this.#clock.now(), sums);
  }
}

/** Returns the configured places, this sidecar's place first. */
function placesOf({ places: { here, region, spill, list } }: Config): PlacesConfig {
  const own = list.find(({ name }) => name === here);
  const first = { weight: 1, ...own, name: here, region: region ?? own?.region };
  return { here, spill, list: [first, ...list.filter(({ name }) => name !== here)] };
}

/** Compares two texts in constant time. */
function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
