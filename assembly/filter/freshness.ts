// Decides whether the snapshot is stale. Every decision that depends on the snapshot's age asks this file.
import { Config } from "../config/config";
import { tickTime } from "../host/tick-time";
import { ageMilliseconds } from "../snapshot/current";

/** Returns whether the snapshot is older than `snapshot.staleAfter`. Call only while hasSnapshot() is true. */
export function isStale(config: Config): bool {
  return ageMilliseconds(tickTime()) > config.snapshot.staleAfter;
}

/** Returns whether the filter picks by the snapshot. With `pick.onStale` ignore or penalise it also picks by a stale snapshot. */
export function mayPick(config: Config): bool {
  return config.pick.useStale || !isStale(config);
}
