// The age of the snapshot: one definition for all that depends on it.
import { Config } from "../config/config";
import { tickTime } from "../host/tick-time";
import { ageMilliseconds } from "../snapshot/current";

/** Whether the snapshot is older than `snapshot.staleAfter`. Valid while hasSnapshot(). */
export function isStale(config: Config): bool {
  return ageMilliseconds(tickTime()) > config.snapshot.staleAfter;
}

/** Whether requests are picked by the snapshot: a stale one is used as well where `pick.onStale` is ignore or penalise. */
export function mayPick(config: Config): bool {
  return config.pick.useStale || !isStale(config);
}
