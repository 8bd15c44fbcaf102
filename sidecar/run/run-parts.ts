// The parts that a run gets in addition to its configuration.
import type { Clock } from "../clock.ts";
import type { Resolve } from "../discover/dns.ts";
import type { WatchTimes } from "../kubernetes/watch.ts";
import type { Learner } from "../learn/learner.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ModelMemory } from "../snapshot/memory.ts";

/** The parts that a test may replace. */
export interface SidecarParts {
  log?: Log;
  clock?: Clock;
  random?: () => number;
  resolve?: Resolve;
  watchTimes?: WatchTimes;
}

/**
 * The parts that outlive a configuration. A reload must not forget models that are scaled to zero (`memory`) nor what was
 * learned (`learner`), and filters must see the same producer (`source`).
 */
export interface RunParts extends Required<SidecarParts> {
  metrics: Metrics;
  memory: ModelMemory;
  learner: Learner;
  source: bigint;
}
