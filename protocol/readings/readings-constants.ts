// Names and offsets of readings of pods: a header of 48 bytes, then a payload that the filter does not read (README.md). The collector
// pushes them, and the responses to the other sidecars' polls end with them. Both asc and tsc compile this file, as constants.ts.

/** Request header of a poll that asks about readings of pods. Its value is `number.flags` (README.md). */
export const READINGS_HEADER = "x-pilotfish-readings";
/** The pushed readings are not from this Envoy's collector. */
export const CODE_NOT_COLLECTOR = "not_collector";

/** Bytes "PFRD". */
export const READINGS_MAGIC: u32 = 0x44524650;
export const READINGS_HEADER_BYTES: u32 = 48;
/** u32 id of the collector that read the pods; 0: there is no payload. */
export const READINGS_COLLECTOR: u32 = 12;
/** u32 microseconds for which the payload was on its way and in the Envoy. The payload's ages do not contain this time. */
export const READINGS_DELAY: u32 = 16;
/** u32 microseconds for which the filter held the poll. */
export const READINGS_HELD: u32 = 20;
/** u64 number of the readings, which the filter gives; 0: none. The next poll names it. */
export const READINGS_NUMBER: u32 = 24;
/** u32: 1 if a sidecar that is not the collector wants readings from this Envoy, else 0. */
export const READINGS_LISTENED: u32 = 32;
/** Flag of a poll: the sidecar wants readings with another number than it names. */
export const READINGS_WANTED: u32 = 1;
/** Flag of a poll: counts are no news for the sidecar, and few prefixes are none, although it is a collector. */
export const READINGS_QUIET: u32 = 2;
/** Limit of pushed readings with their header. */
export const MAX_READINGS_BYTES: u32 = 1048576;
