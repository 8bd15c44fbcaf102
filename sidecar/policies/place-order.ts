// Decides the order in which places are filled, by the key `places.spill`:
//
//   order      by the configured order; without one: this place 0, its region 1, elsewhere 2
//   weight     all places at once, each by its weight
//   roundTrip  this place, then by measured round trip. Two neighbours in the order are swapped only if the farther one
//              becomes nearer by a fifth, so that noise does not send requests around the world
import { MAX_PLACES } from "../../protocol/constants.ts";
import type { PlaceView } from "../../protocol/snapshot.ts";

interface PlaceConfig {
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

/** A place must be nearer by this factor to move up. */
const NEARER = 0.8;

export class PlaceOrder {
  readonly #config: PlacesConfig;
  /** The last order by round trip. */
  #ranked: string[] = [];

  constructor(config: PlacesConfig) {
    this.#config = config;
  }

  /**
   * Returns the places in their order. `names`: the places of all pods. `regions`: place -> region, as peers report.
   * `roundTripsMs`: place -> milliseconds.
   */
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
    // This is an insertion sort, since the list is short and nearly sorted.
    for (let i = 1; i < ranked.length; i++) {
      for (let k = i; k > 0 && time(ranked[k] as string) < NEARER * time(ranked[k - 1] as string); k--) {
        [ranked[k - 1], ranked[k]] = [ranked[k] as string, ranked[k - 1] as string];
      }
    }
    this.#ranked = ranked;
  }
}
