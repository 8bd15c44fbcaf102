// Turns a peer's view into pods, which have the same form as the sidecar's own pods.
import type { Reading } from "../engines/reading.ts";
import { Health } from "../health.ts";
import type { Pod } from "../pod.ts";
import type { OfferedPod, OfferedSums } from "./view.ts";

/** The values that all pods of one view share. */
interface ViewFacts {
  place: string;
  /** Clock.now() at which the view was true. */
  at: number;
  /** Whether the view is too old. Its pods are not ready then. */
  stale: boolean;
}

/** What a view leaves out, because only the sidecar beside the pods learns from it. */
const UNREAD = { offloadGiB: null, cacheBytes: null, counters: {}, samples: 0, malformed: 0 } as const;

export function importedPod(offered: OfferedPod, facts: ViewFacts): Pod {
  const { address, engine, ready, draining, asleep, of } = offered;
  const { waiting, running, kvUsage, kvBlocks, blockTokens, adapters } = offered;
  const reading = { engine, waiting, running, kvUsage, asleep, kvBlocks, blockTokens, adapters };
  const state = { ready: ready && !facts.stale, draining, asleep, of };
  return podOf(address, engine, state, reading, offered, facts);
}

/** Makes one pod for all pods of a cluster. `address`: the cluster's gateway, which chooses among its pods. */
export function gatewayPod(sums: OfferedSums, address: string, facts: ViewFacts): Pod {
  const { pods, waiting, running, kvUsage, of } = sums;
  const unknown = { engine: null, asleep: false, kvBlocks: null, blockTokens: null, adapters: null };
  const state = { ready: pods > 0 && !facts.stale, draining: false, asleep: false, of };
  return { ...podOf(address, "auto", state, { ...unknown, waiting, running, kvUsage }, sums, facts), gateway: pods };
}

function podOf(
  address: string,
  engine: string,
  cluster: NonNullable<Pod["cluster"]>,
  reading: Omit<Reading, keyof typeof UNREAD>,
  { ageMs, models }: Pick<OfferedPod, "ageMs" | "models">,
  { place, at }: ViewFacts,
): Pod {
  return {
    address,
    origin: `http://${address}`,
    engine,
    place,
    cluster,
    health: healthOf(cluster.ready),
    reading: { ...reading, ...UNREAD },
    scrapedAt: ageMs === null ? null : at - ageMs,
    models: models.map(([name, parent]) => ({ name, parent })),
  };
}

function healthOf(ready: boolean): Health {
  const health = new Health(1);
  if (ready) {
    health.scraped();
    health.modelsRead();
  }
  return health;
}
