// How long the exchange between Envoys takes in the simulation.

export interface Delays {
  /** Ms between two pushes to an Envoy, and between two of its traffic reports: `push.interval` of the sidecar. */
  intervalMs: number;
  /** Ms that a message takes from the sidecar to an Envoy, or back. */
  networkMs: number;
  /** Each message takes up to this many ms longer. */
  jitterMs: number;
}

/** Ms between a scrape and the moment at which a push can contain what was scraped. */
export const READ_MS = 4;

/** One Envoy, and Envoys that do not talk. Without jitter their figures depend on nothing but the picks. */
export const ALONE: Delays = { intervalMs: 50, networkMs: 1, jitterMs: 0 };

/** Envoys that talk. The interval is the default of `push.interval`. */
export const TALKING: Delays = { ...ALONE, jitterMs: 1 };
