// Decides whether this sidecar is the collector: the one of a fleet's sidecars that asks all Envoys for their traffic, and pushes to
// each Envoy the sum of the others. So the number of messages grows linearly with the number of Envoys.
//
// The Envoys elect the collector: each Envoy keeps a lease, which the polls of a collector renew (assembly/workers/collector-lease.ts).
// A traffic report says who has the lease. A sidecar begins to collect when one of its own Envoys knows no collector, or is of a
// release without polls. It stops when all Envoys that it knows have another collector. Two sidecars that both collect do no harm:
// each Envoy gets the pushes of its own collector only.
import type { TrafficReport } from "../../protocol/traffic-report.ts";

type Heard = Pick<TrafficReport, "news" | "collector">;

export class Election {
  /** The id of this sidecar as a collector, never 0. */
  readonly id: number;
  #collecting = false;

  /** `source`: the random id of this process, a u64. */
  constructor(source: bigint) {
    this.id = Number(source & 0xffffffffn) || 1;
  }

  get collecting(): boolean {
    return this.#collecting;
  }

  /** Whether this sidecar may push traffic to an Envoy with this last report. */
  isElected(last: Heard | undefined): boolean {
    return last !== undefined && last.news !== 0 && last.collector === this.id;
  }

  /**
   * Takes a traffic report. `own`: this sidecar pushes snapshots to the Envoy. `all`: the last report of each Envoy that this sidecar
   * knows, if it is valid. Returns whether this sidecar begins to collect.
   */
  heard(report: Heard, own: boolean, all: Iterable<{ last: Heard | undefined; own: boolean }>): boolean {
    const orphan = own && (report.news === 0 || report.collector === 0 || report.collector === this.id);
    if (!this.#collecting) {
      this.#collecting = orphan;
      return orphan;
    }
    for (const { last, own } of all) {
      if (last === undefined) continue;
      if (last.news === 0 ? own : last.collector === 0 || last.collector === this.id) return false;
    }
    this.#collecting = false;
    return false;
  }
}
