// Readings of pods that the collector pushes for the other sidecars of the fleet. The filter checks their header only: the payload is
// for sidecars, which check each byte of it. protocol/README.md draws the header.
import { HEADER_MAGIC, HEADER_MAJOR, HEADER_TOTAL_BYTES, MAJOR } from "../../protocol/constants";
import {
  MAX_READINGS_BYTES,
  READINGS_COLLECTOR,
  READINGS_HEADER_BYTES,
  READINGS_MAGIC,
} from "../../protocol/readings/readings-constants";
import { BROKEN_BODY_LENGTH, BROKEN_MAJOR, BROKEN_TOTAL_BYTES, VALID } from "../../protocol/rules";

export function isReadingsPush(data: usize, bytes: u32): bool {
  return bytes >= READINGS_HEADER_BYTES && load<u32>(data, HEADER_MAGIC) == READINGS_MAGIC;
}

/** Verifies a body of which isReadingsPush() is true. Returns VALID, or the number of the first broken rule of a snapshot. */
export function verifyReadingsPush(data: usize, bytes: u32): u32 {
  if (load<u16>(data, HEADER_MAJOR) != MAJOR) return BROKEN_MAJOR;
  if (load<u32>(data, HEADER_TOTAL_BYTES) != bytes) return BROKEN_TOTAL_BYTES;
  return bytes <= MAX_READINGS_BYTES ? VALID : BROKEN_BODY_LENGTH;
}

/** Returns the id of the collector that pushes. */
export function readingsCollector(data: usize): u32 {
  return load<u32>(data, READINGS_COLLECTOR);
}
