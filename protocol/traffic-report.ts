// Encodes and decodes the traffic report of a filter: the counts of all workers of an Envoy, what they measured of each model, and the
// prefixes that they sent. And the traffic push of a sidecar, which has what the other Envoys reported.
// README.md draws the layouts. Decoding checks every byte, because traffic reports come from another process.

import * as c from "./constants.ts";
import { type ModelSums, readSums, writeSums } from "./model-sums.ts";
import { VALID } from "./rules.ts";
import type { RemoteCounts } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";
import { prefixStarts, readRecords, writeRecords } from "./traffic.ts";

export interface TrafficReport {
  version: bigint;
  instance: bigint;
  /** How often a worker of this Envoy began with an empty prefix index, modulo 256. */
  emptied: number;
  /** Bytes of a piece of a prompt. */
  pieceBytes: number;
  /** Whether picks or admission use the queues or the KV usage of scrapes. */
  usesQueues: boolean;
  /** How often workers of this Envoy ejected an endpoint, modulo 64. */
  ejections: number;
  ring: bigint;
  end: bigint;
  /** Hash of the counts; 0: the filter is of a release without polls and traffic pushes. */
  news: number;
  /** Id of the collector; 0: none. */
  collector: number;
  /** Counts by the hash of the endpoint's address. */
  counts: Map<bigint, RemoteCounts>;
  /** Sums by the hash of the base model's name. */
  sums: Map<bigint, ModelSums>;
  /** The bytes of whole prefix records, unchanged. */
  prefixes: Uint8Array;
}

/** Throws a SnapshotError that names the wrong field, its value and the expected value. */
export function decodeReport(body: Uint8Array): TrafficReport {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.length < c.REPORT_HEADER_BYTES)
    throw new SnapshotError(VALID, "report length", body.length, `at least ${c.REPORT_HEADER_BYTES}`);
  const magic = view.getUint32(c.HEADER_MAGIC, true);
  if (magic !== c.REPORT_MAGIC) throw new SnapshotError(VALID, "report.magic", magic, `${c.REPORT_MAGIC} ("PFRP")`);
  const major = view.getUint16(c.HEADER_MAJOR, true);
  if (major !== c.MAJOR) throw new SnapshotError(VALID, "report.major", major, String(c.MAJOR));
  const records = view.getUint32(c.REPORT_RECORDS, true);
  if (records > c.MAX_ENDPOINTS)
    throw new SnapshotError(VALID, "report.records", records, `at most ${c.MAX_ENDPOINTS}`);
  const words = view.getUint32(c.REPORT_WORDS, true);
  const models = view.getUint32(c.REPORT_SUMS, true);
  const sumsAt = c.REPORT_HEADER_BYTES + records * c.REPORT_RECORD_BYTES;
  const prefixesAt = sumsAt + models * c.SUMS_BYTES;
  const total = prefixesAt + words * 8;
  if (view.getUint32(c.HEADER_TOTAL_BYTES, true) !== body.length || total !== body.length)
    throw new SnapshotError(VALID, "report length", body.length, `${total}, as its header says`);
  const instance = view.getBigUint64(c.REPORT_INSTANCE, true);
  if (instance === 0n) throw new SnapshotError(VALID, "report.instance", instance, "an id");
  const counts = readRecords(view, records, "report");
  const sums = readSums(view, sumsAt, models);
  const prefixes = body.subarray(prefixesAt);
  prefixStarts(prefixes, "report.prefixes");
  const flags = view.getUint8(c.REPORT_FLAGS);
  return {
    version: view.getBigUint64(c.REPORT_VERSION, true),
    instance,
    emptied: view.getUint8(c.REPORT_EMPTIED),
    pieceBytes: (flags & c.REPORT_HAS_SMALL_PIECES) === 0 ? c.PIECE_BYTES : c.SMALL_PIECE_BYTES,
    usesQueues: (flags & c.REPORT_HAS_QUEUES) !== 0,
    ejections: flags >> c.REPORT_EJECTIONS_SHIFT,
    ring: view.getBigUint64(c.REPORT_RING, true),
    end: BigInt.asUintN(c.REPORT_END_BITS, view.getBigUint64(c.REPORT_END, true)),
    news: view.getUint32(c.REPORT_NEWS, true),
    collector: view.getUint32(c.REPORT_COLLECTOR, true),
    counts,
    sums,
    prefixes,
  };
}

/** Encodes a traffic report. Only tests use this: the sidecar's tests have a fake filter. */
export function encodeReport(report: TrafficReport): Uint8Array {
  const { version, instance, emptied, pieceBytes, usesQueues, ejections } = report;
  const { ring, end, news, collector, counts, sums, prefixes } = report;
  const pieces = pieceBytes === c.PIECE_BYTES ? 0 : c.REPORT_HAS_SMALL_PIECES;
  const flags = pieces | (usesQueues ? c.REPORT_HAS_QUEUES : 0);
  const sumsAt = c.REPORT_HEADER_BYTES + counts.size * c.REPORT_RECORD_BYTES;
  const prefixesAt = sumsAt + sums.size * c.SUMS_BYTES;
  const total = prefixesAt + prefixes.length;
  const body = new Uint8Array(total);
  const out = new DataView(body.buffer);
  out.setUint32(c.HEADER_MAGIC, c.REPORT_MAGIC, true);
  out.setUint16(c.HEADER_MAJOR, c.MAJOR, true);
  out.setUint16(c.HEADER_MINOR, c.MINOR, true);
  out.setUint32(c.HEADER_TOTAL_BYTES, total, true);
  out.setUint32(c.REPORT_RECORDS, counts.size, true);
  out.setBigUint64(c.REPORT_VERSION, version, true);
  out.setBigUint64(c.REPORT_INSTANCE, instance, true);
  out.setBigUint64(c.REPORT_RING, ring, true);
  out.setBigUint64(c.REPORT_END, end, true);
  out.setUint8(c.REPORT_EMPTIED, emptied);
  out.setUint8(c.REPORT_FLAGS, flags | ((ejections << c.REPORT_EJECTIONS_SHIFT) & 0xff));
  out.setUint32(c.REPORT_WORDS, prefixes.length / 8, true);
  out.setUint32(c.REPORT_SUMS, sums.size, true);
  out.setUint32(c.REPORT_NEWS, news, true);
  out.setUint32(c.REPORT_COLLECTOR, collector, true);
  writeRecords(out, counts);
  writeSums(out, sumsAt, sums);
  body.set(prefixes, prefixesAt);
  return body;
}

/** A traffic push. An Envoy finds the endpoints by their hashes, because its snapshot may come from another sidecar. */
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
