// Gives scrapers what the Envoys report. The scrapers of a run are made before its Envoys.
import type { Envoys } from "../push/envoys.ts";
import type { KnownTraffic } from "../scrape/scraper-parts.ts";

export class EnvoyReports implements KnownTraffic {
  #envoys: Envoys | undefined;

  /** Sets the Envoys of the run. Before, no Envoy reports. */
  of(envoys: Envoys): void {
    this.#envoys = envoys;
  }

  inFlight(hash: bigint): number | undefined {
    return this.#envoys?.inFlight(hash);
  }

  reportedSince(): number {
    return this.#envoys?.reportedSince() ?? Number.NEGATIVE_INFINITY;
  }

  usesQueues(): boolean {
    return this.#envoys?.usesQueues() ?? false;
  }
}
