// The order in which places are filled, as this sidecar sees the world.
//
//   order      the given order; where none is given: this place 0, its region 1, elsewhere 2
//   weight     all at once, each by its weight
//   roundTrip  this place, then by the measured round trip; two change places only when one is a fifth nearer than the other,
//              so that noise does not send requests around the world
import { MAX_PLACES } from "../../protocol/constants.ts";
import type { PlaceView } from "../../protocol/snapshot.ts";

export interface PlaceConfig {
  name: string;
  region?: string | undefined;
  zone?: string | undefined;
  order?: number | undefined;
  weight: number;
}

export interface PlacesConfig {
  here: string;
  spill: "order" | "weight" | "roundTrip";
  list: readonly PlaceConfig[];
}

const NEARER = 0.8;

export class PlaceOrder {
  readonly #config: PlacesConfig;
  /** Names by round trip, as they were decided last. */
  #ranked: string[] = [];

  constructor(config: PlacesConfig) {
    this.#config = config;
  }

  /** `names`: where pods are; `regions` and `roundTripsMs`: what peers and measurements say. */
  places(
    names: Iterable<string>,
    regions: ReadonlyMap<string, string>,
    roundTripsMs: ReadonlyMap<string, number>,
  ): PlaceView[] {
    const { list, here, spill } = this.#config;
    const all = [...new Set([here, ...names])].sort().slice(0, MAX_PLACES);
    const given = new Map(list.map((place) => [place.name, place]));
    const regionOf = (name: string) => given.get(name)?.region ?? regions.get(name);
    if (spill === "roundTrip") this.#rank(all, roundTripsMs);
    const order = (name: string): number => {
      if (spill === "weight") return 0;
      if (spill === "roundTrip") return name === here ? 0 : 1 + this.#ranked.indexOf(name);
      const explicit = given.get(name)?.order;
      if (explicit !== undefined) return explicit;
      if (name === here) return 0;
      return regionOf(name) !== undefined && regionOf(name) === regionOf(here) ? 1 : 2;
    };
    return all.map((name) => {
      const roundTrip = roundTripsMs.get(name);
      return {
        name,
        order: order(name),
        roundTripUs: roundTrip === undefined ? null : Math.round(roundTrip * 1000),
        weight: given.get(name)?.weight ?? 1,
      };
    });
  }

  #rank(names: readonly string[], roundTripsMs: ReadonlyMap<string, number>): void {
    const known = this.#ranked.filter((name) => names.includes(name));
    const ranked = [...known, ...names.filter((name) => !known.includes(name))];
    const time = (name: string) => roundTripsMs.get(name) ?? Number.POSITIVE_INFINITY;
    // Few places, and nearly sorted already.
    for (let i = 1; i < ranked.length; i++) {
      for (let k = i; k > 0 && time(ranked[k] as string) < NEARER * time(ranked[k - 1] as string); k--) {
        [ranked[k - 1], ranked[k]] = [ranked[k] as string, ranked[k - 1] as string];
      }
    }
    this.#ranked = ranked;
  }
}
