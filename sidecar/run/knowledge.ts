// What a run knows about its pods. This decides whether a snapshot may be pushed, and whether the snapshot is complete.
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Directory } from "../discover/directory.ts";
import type { Fleet } from "../fleet.ts";
import type { Neighbours } from "../peers/neighbours.ts";
import type { Pod } from "../pod.ts";

/** A pod counts as responding for at least this long after its last good scrape. */
const MIN_ANSWERING_MS = 1000;
const ANSWERING_INTERVALS = 5;
const ANSWERING_MAX_INTERVALS = 1.5;

interface KnowledgeParts {
  directory: Directory;
  fleet: Fleet;
  neighbours: Neighbours;
  clock: Clock;
}

export class Knowledge {
  readonly #parts: KnowledgeParts;
  readonly #answeringMs: number;

  constructor(parts: KnowledgeParts, scrape: Config["scrape"]) {
    this.#parts = parts;
    const intervals = Math.max(ANSWERING_INTERVALS * scrape.interval, ANSWERING_MAX_INTERVALS * scrape.maxInterval);
    this.#answeringMs = Math.max(MIN_ANSWERING_MS, intervals) + scrape.timeout;
  }

  /** Whether each source has reported, and each pod and each peer has responded or failed. */
  get settled(): boolean {
    const { directory, fleet, neighbours } = this.#parts;
    return directory.awaited.length === 0 && fleet.settled && neighbours.settled;
  }

  /** Whether some pods are known, or no pod can exist because all sources reported none. */
  get some(): boolean {
    const { directory, fleet } = this.#parts;
    return fleet.size > 0 || directory.awaited.length === 0;
  }

  /**
   * Whether the snapshot is complete. In a filter, a complete snapshot may displace the lease of an incomplete one. So a
   * sidecar that cannot reach its pods loses its lease.
   */
  get complete(): boolean {
    const { fleet, clock } = this.#parts;
    return this.settled && mostAnswer(fleet.pods(), clock.now() - this.#answeringMs);
  }
}

/** Whether at least half of the pods that should respond were read after `since`. */
function mostAnswer(pods: Iterable<Pod>, since: number): boolean {
  let expected = 0;
  let answered = 0;
  for (const { cluster, scrapedAt, respondedAt = scrapedAt } of pods) {
    if (cluster?.ready === false) continue;
    expected++;
    if (respondedAt !== null && respondedAt > since) answered++;
  }
  return answered * 2 >= expected;
}
