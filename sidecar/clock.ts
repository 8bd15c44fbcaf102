/** Passed in, so that tests decide what time it is. */
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
