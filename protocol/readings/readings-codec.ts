// Readings of pods between sidecars: what the collector pushes to an Envoy, and what the answers to polls of the other sidecars end with.
// README.md draws the header. The payload is for sidecars only (sidecar/scrape/shared/shared-readings.ts).
import * as c from "../constants.ts";
import { VALID } from "../rules.ts";
import { SnapshotError } from "../snapshot-error.ts";
import * as r from "./readings-constants.ts";

/** What the answer to a poll says about readings. */
export interface ReadingsAnswer {
  /** Number of the push whose readings the answer has; 0: the answer has no readings. */
  number: bigint;
  collector: number;
  /** How long the payload was on its way and in the Envoy, ms. */
  delayMs: number;
  /** How long the filter held the poll, ms. */
  heldMs: number;
  /** Whether a sidecar that is not the collector wants readings from this Envoy. */
  listened: boolean;
  payload: Uint8Array;
}

/** Encodes a push of readings. `delayMs`: how long the payload will have been on its way when the filter has it. */
export function encodeReadingsPush(collector: number, delayMs: number, payload: Uint8Array): Uint8Array {
  const body = new Uint8Array(r.READINGS_HEADER_BYTES + payload.length);
  const out = new DataView(body.buffer);
  out.setUint32(c.HEADER_MAGIC, r.READINGS_MAGIC, true);
  out.setUint16(c.HEADER_MAJOR, c.MAJOR, true);
  out.setUint16(c.HEADER_MINOR, c.MINOR, true);
  out.setUint32(c.HEADER_TOTAL_BYTES, body.length, true);
  out.setUint32(r.READINGS_COLLECTOR, collector, true);
  out.setUint32(r.READINGS_DELAY, Math.min(Math.max(0, Math.ceil(delayMs * 1000)), 0xffffffff), true);
  body.set(payload, r.READINGS_HEADER_BYTES);
  return body;
}

/**
 * Splits the answer to a poll into the traffic report and what it says about readings; undefined: nothing, as from a filter of a
 * release without readings. Throws a SnapshotError if the second part is not whole.
 */
export function splitAnswer(body: Uint8Array): { report: Uint8Array; readings?: ReadingsAnswer } {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const reported = body.length < c.REPORT_HEADER_BYTES ? body.length : view.getUint32(c.HEADER_TOTAL_BYTES, true);
  if (reported >= body.length) return { report: body };
  return { report: body.subarray(0, reported), readings: decodeReadings(body.subarray(reported)) };
}

function decodeReadings(bytes: Uint8Array): ReadingsAnswer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < r.READINGS_HEADER_BYTES || bytes.length > r.MAX_READINGS_BYTES)
    throw new SnapshotError(VALID, "readings length", bytes.length, `at least ${r.READINGS_HEADER_BYTES}`);
  const magic = view.getUint32(c.HEADER_MAGIC, true);
  if (magic !== r.READINGS_MAGIC)
    throw new SnapshotError(VALID, "readings.magic", magic, `${r.READINGS_MAGIC} ("PFRD")`);
  const major = view.getUint16(c.HEADER_MAJOR, true);
  if (major !== c.MAJOR) throw new SnapshotError(VALID, "readings.major", major, String(c.MAJOR));
  const total = view.getUint32(c.HEADER_TOTAL_BYTES, true);
  if (total !== bytes.length)
    throw new SnapshotError(VALID, "readings length", bytes.length, `${total}, as its header says`);
  return {
    number: view.getBigUint64(r.READINGS_NUMBER, true),
    collector: view.getUint32(r.READINGS_COLLECTOR, true),
    delayMs: view.getUint32(r.READINGS_DELAY, true) / 1000,
    heldMs: view.getUint32(r.READINGS_HELD, true) / 1000,
    listened: view.getUint32(r.READINGS_LISTENED, true) === 1,
    payload: bytes.subarray(r.READINGS_HEADER_BYTES),
  };
}
