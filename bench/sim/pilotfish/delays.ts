// How long pushes and the exchange between Envoys take in the simulation.
import { EXCHANGE_SPACING_MICROSECONDS } from "../../../protocol/constants.ts";

export interface Delays {
  /** Ms between two polls of an Envoy, and between two traffic pushes to it: for a small fleet, and for each Envoy. */
  spacingMs: number;
  spacingMsPerEnvoy: number;
  /** Ms that a message takes from the sidecar to an Envoy, or back. */
  networkMs: number;
  /** Each message takes up to this many ms longer. */
  jitterMs: number;
}

/** Ms between a scrape and the moment at which a push can contain what was scraped. */
export const READ_MS = 4;

/** One Envoy, and Envoys that do not talk. Without jitter their figures depend on nothing but the picks. */
export const ALONE: Delays = {
  spacingMs: 5,
  spacingMsPerEnvoy: EXCHANGE_SPACING_MICROSECONDS / 1000,
  networkMs: 1,
  jitterMs: 0,
};

/** Envoys that talk. The spacings are those of sidecar/push/envoys.ts. */
export const TALKING: Delays = { ...ALONE, jitterMs: 1 };
