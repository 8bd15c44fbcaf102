/** The time. Each part of the sidecar gets a Clock, so that tests can set the time. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; used for ages. */
  now(): number;
  /** Microseconds since the Unix epoch; used for the versions of snapshots. */
  epochMicros(): bigint;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  epochMicros: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)),
};
