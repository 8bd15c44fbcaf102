// Encodes and decodes a traffic push: what the other Envoys have in flight, and the prefixes that they sent. README.md draws the layout.
// An Envoy finds the endpoints by their hashes, because its snapshot may come from another sidecar.
import * as c from "./constants.ts";
import { VALID } from "./rules.ts";
import type { RemoteCounts } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";
import { prefixStarts, readRecords, writeRecords } from "./traffic.ts";

export interface TrafficPush {
  /** Number of Envoys that the counts sum up. */
  envoys: number;
  /** Counts by the hash of the endpoint's address. */
  counts: ReadonlyMap<bigint, RemoteCounts>;
  /** The bytes of whole prefix records. */
  prefixes: Uint8Array;
}

export function encodeTrafficPush({ envoys, counts, prefixes }: TrafficPush): Uint8Array {
  const prefixesAt = c.REPORT_HEADER_BYTES + counts.size * c.REPORT_RECORD_BYTES;
  const body = new Uint8Array(prefixesAt + prefixes.length);
  const out = new DataView(body.buffer);
  out.setUint32(c.HEADER_MAGIC, c.TRAFFIC_MAGIC, true);
  out.setUint16(c.HEADER_MAJOR, c.MAJOR, true);
  out.setUint16(c.HEADER_MINOR, c.MINOR, true);
  out.setUint32(c.HEADER_TOTAL_BYTES, body.length, true);
  out.setUint32(c.REPORT_RECORDS, counts.size, true);
  out.setUint32(c.TRAFFIC_ENVOYS, envoys, true);
  out.setUint32(c.REPORT_WORDS, prefixes.length / 8, true);
  writeRecords(out, counts);
  body.set(prefixes, prefixesAt);
  return body;
}

export function isTrafficPush(body: Uint8Array): boolean {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return body.length >= c.REPORT_HEADER_BYTES && view.getUint32(c.HEADER_MAGIC, true) === c.TRAFFIC_MAGIC;
}

/** Decodes what encodeTrafficPush() made, for tests. Throws a SnapshotError if the lengths do not add up. */
export function decodeTrafficPush(body: Uint8Array): TrafficPush {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const records = view.getUint32(c.REPORT_RECORDS, true);
  const prefixesAt = c.REPORT_HEADER_BYTES + records * c.REPORT_RECORD_BYTES;
  const total = prefixesAt + view.getUint32(c.REPORT_WORDS, true) * 8;
  if (total !== body.length || view.getUint32(c.HEADER_TOTAL_BYTES, true) !== total)
    throw new SnapshotError(VALID, "traffic length", body.length, `${total}, as its header says`);
  const prefixes = body.subarray(prefixesAt);
  prefixStarts(prefixes, "traffic.prefixes");
  return { envoys: view.getUint32(c.TRAFFIC_ENVOYS, true), counts: readRecords(view, records, "traffic"), prefixes };
}
