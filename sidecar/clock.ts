/** Passed in, so that tests can set the time. */
export interface Clock {
  /** Milliseconds that never go back; for ages. */
  now(): number;
  /** Microseconds since the Unix epoch; for versions. */
  epochMicros(): bigint;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  epochMicros: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)),
};
