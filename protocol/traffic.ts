// Encodes and decodes the sections REMOTE and PREFIXES: the in-flight requests of other Envoys, and the prefixes that they sent.
// Sidecars make these sections from the Envoys' traffic reports. README.md draws the layout.

import * as c from "./constants.ts";
import type { Section } from "./decode-directory.ts";
import { BROKEN_ENVOYS, BROKEN_PREFIXES, BROKEN_REMOTE_COUNTS, BROKEN_REMOTE_RECORDS, VALID } from "./rules.ts";
import type { EndpointView, PrefixRecord, RemoteCounts, RemoteView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

const U64 = (1n << 64n) - 1n;

function mix(x: bigint): bigint {
  const product = (x * 0xd6e8feb86659fd93n) & U64;
  return ((product ^ (product >> 32n)) * 0xd6e8feb86659fd93n) & U64;
}

/** Hash of an endpoint's address or of a model's name. The filter makes the same hash (assembly/base/hash.ts). */
export function textHash(text: string): bigint {
  const bytes = Buffer.from(text, "utf8");
  let hash = 0x9e3779b97f4a7c15n ^ BigInt(bytes.length);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) hash = mix(hash ^ bytes.readBigUInt64LE(at));
  let tail = 0n;
  for (; at < bytes.length; at++) tail = (tail << 8n) | BigInt(bytes[at] as number);
  return mix(hash ^ tail) | 1n;
}

function checkCounts(field: string, { requests, lasted, pending, sent }: RemoteCounts): void {
  if (!(requests <= c.MAX_REMOTE))
    throw new SnapshotError(BROKEN_REMOTE_COUNTS, `${field}.requests`, requests, `at most ${c.MAX_REMOTE}`);
  if (!(lasted <= requests))
    throw new SnapshotError(BROKEN_REMOTE_COUNTS, `${field}.lasted`, lasted, `at most requests, ${requests}`);
  if (!(pending <= c.MAX_REMOTE_WAITING))
    throw new SnapshotError(BROKEN_REMOTE_COUNTS, `${field}.pending`, pending, `at most ${c.MAX_REMOTE_WAITING}`);
  for (const value of [requests, lasted, pending, sent])
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new SnapshotError(BROKEN_REMOTE_COUNTS, field, value, "integers from 0 to 2^32-1");
}

function readCounts(view: DataView, at: number, field: string): RemoteCounts {
  const counts = {
    requests: view.getUint32(at + c.REMOTE_REQUESTS, true),
    lasted: view.getUint32(at + c.REMOTE_SETTLED, true),
    pending: view.getUint32(at + c.REMOTE_WAITING, true),
    sent: view.getUint32(at + c.REMOTE_SENT, true),
  };
  checkCounts(field, counts);
  return counts;
}

export function writeCounts(view: DataView, at: number, counts: RemoteCounts): void {
  view.setUint32(at + c.REMOTE_REQUESTS, counts.requests, true);
  view.setUint32(at + c.REMOTE_SETTLED, counts.lasted, true);
  view.setUint32(at + c.REMOTE_WAITING, counts.pending, true);
  view.setUint32(at + c.REMOTE_SENT, counts.sent, true);
}

/** Reads the records of a traffic report or traffic push: counts by the hash of the endpoint's address. */
export function readRecords(view: DataView, records: number, field: string): Map<bigint, RemoteCounts> {
  const counts = new Map<bigint, RemoteCounts>();
  for (let i = 0; i < records; i++) {
    const at = c.REPORT_HEADER_BYTES + i * c.REPORT_RECORD_BYTES;
    const hash = view.getBigUint64(at, true);
    if (hash === 0n || counts.has(hash))
      throw new SnapshotError(VALID, `${field}.records[${i}].endpoint`, hash, "a new hash");
    counts.set(hash, readCounts(view, at + 8, `${field}.records[${i}]`));
  }
  return counts;
}

export function writeRecords(out: DataView, counts: ReadonlyMap<bigint, RemoteCounts>): void {
  let at = c.REPORT_HEADER_BYTES;
  for (const [hash, one] of counts) {
    out.setBigUint64(at, hash, true);
    writeCounts(out, at + 8, one);
    at += c.REPORT_RECORD_BYTES;
  }
}

/** Offsets of the prefix records in `bytes`. Throws a SnapshotError if the bytes are not whole records. */
export function prefixStarts(bytes: Uint8Array, field: string): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > c.MAX_PREFIX_WORDS * 8)
    throw new SnapshotError(BROKEN_PREFIXES, field, bytes.length, `at most ${c.MAX_PREFIX_WORDS} words`);
  const starts: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const count =
      at + c.PREFIX_BYTES <= bytes.length ? view.getUint16(at + c.PREFIX_COUNT, true) & c.PREFIX_COUNT_MASK : 0;
    const next = at + c.PREFIX_BYTES + count * 8;
    if (count < 1 || count > c.MAX_PREFIX_BLOCKS || next > bytes.length)
      throw new SnapshotError(
        BROKEN_PREFIXES,
        `${field}[${starts.length}].count`,
        count,
        `1...${c.MAX_PREFIX_BLOCKS} blocks inside it`,
      );
    starts.push(at);
    at = next;
  }
  return starts;
}

export function encodePrefixes(records: readonly PrefixRecord[]): Uint8Array {
  const words = records.flatMap(({ endpoint, seed, units, number, blocks }) => [
    endpoint,
    seed,
    BigInt(blocks.length | (units << c.PREFIX_UNITS_SHIFT)) | ((number << 16n) & U64),
    ...blocks,
  ]);
  return new Uint8Array(new BigUint64Array(words).buffer);
}

export function decodePrefixes(bytes: Uint8Array, field: string): PrefixRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return prefixStarts(bytes, field).map((at) => {
    const word = view.getBigUint64(at + c.PREFIX_COUNT, true);
    const blocks = Array.from({ length: Number(word & BigInt(c.PREFIX_COUNT_MASK)) }, (_, i) =>
      view.getBigUint64(at + c.PREFIX_BYTES + i * 8, true),
    );
    const endpoint = view.getBigUint64(at + c.PREFIX_ENDPOINT, true);
    const units = Number(word & 0xffffn) >> c.PREFIX_UNITS_SHIFT;
    return { endpoint, seed: view.getBigUint64(at + c.PREFIX_SEED, true), units, number: word >> 16n, blocks };
  });
}

/** Decodes the sections about other Envoys, and whether the snapshot is complete. */
export function readTraffic(
  view: DataView,
  { REMOTE, PREFIXES }: { REMOTE?: Section; PREFIXES?: Section },
  endpoints: readonly EndpointView[],
): { complete?: boolean; remote?: RemoteView; prefixes?: PrefixRecord[] } {
  const envoys = view.getUint32(c.HEADER_ENVOYS, true);
  if (envoys > c.MAX_ENVOYS) throw new SnapshotError(BROKEN_ENVOYS, "header.envoys", envoys, `at most ${c.MAX_ENVOYS}`);
  const found: ReturnType<typeof readTraffic> = {};
  if ((view.getUint32(c.HEADER_FLAGS, true) & c.HEADER_COMPLETE) !== 0) found.complete = true;
  if (REMOTE !== undefined) {
    const { records, offset, stride } = REMOTE;
    if (records !== endpoints.length)
      throw new SnapshotError(BROKEN_REMOTE_RECORDS, "remote.length", records, String(endpoints.length));
    const counts = endpoints.map(({ address }, i) => {
      return [address, readCounts(view, offset + i * stride, `remote[${i}]`)] as const;
    });
    found.remote = { envoys, counts: Object.fromEntries(counts) };
  }
  if (PREFIXES !== undefined) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + PREFIXES.offset, PREFIXES.records * 8);
    found.prefixes = decodePrefixes(bytes, "prefixes");
  }
  return found;
}

/** Encodes the section REMOTE. `order` has the endpoints' addresses in the snapshot's order. */
export function remoteSection(remote: RemoteView, order: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(order.length * c.REMOTE_BYTES);
  const out = new DataView(bytes.buffer);
  for (const [i, address] of order.entries()) {
    const counts = remote.counts[address];
    if (counts !== undefined) writeCounts(out, i * c.REMOTE_BYTES, counts);
  }
  return bytes;
}

const align8 = (offset: number): number => (offset + 7) & ~7;

/** A section to add: its kind, the bytes of a record, and all bytes. */
type Added = readonly [kind: number, stride: number, bytes: Uint8Array];

/**
 * Adds the sections REMOTE and PREFIXES to the snapshot `base`, which must have neither. `counts` has REMOTE_BYTES for each
 * endpoint, in the snapshot's order.
 */
export function withTraffic(base: Uint8Array, envoys: number, counts: Uint8Array, prefixes: Uint8Array): Uint8Array {
  const added: Added[] = [[c.SECTION_REMOTE, c.REMOTE_BYTES, counts]];
  if (prefixes.length > 0) added.push([c.SECTION_PREFIXES, 8, prefixes]);
  const body = withSections(base, added);
  new DataView(body.buffer).setUint32(c.HEADER_ENVOYS, envoys, true);
  return body;
}

/** Adds the section CACHED to the snapshot `base`, which must not have it. */
export function withCached(base: Uint8Array, cached: Uint8Array): Uint8Array {
  return withSections(base, [[c.SECTION_CACHED, c.CACHED_WORD_BYTES, cached]]);
}

/** Returns a copy with further sections. Offsets in records count from a section's start, so only the directory changes. */
function withSections(base: Uint8Array, added: readonly Added[]): Uint8Array {
  const from = new DataView(base.buffer, base.byteOffset, base.byteLength);
  const sections = from.getUint32(c.HEADER_SECTION_COUNT, true);
  const directoryEnd = c.HEADER_BYTES + sections * c.DIRECTORY_ENTRY_BYTES;
  const shift = added.length * c.DIRECTORY_ENTRY_BYTES;
  let end = align8(base.length + shift);
  const places = added.map(([, , bytes]) => {
    const offset = end;
    end = align8(end + bytes.length);
    return offset;
  });
  const body = new Uint8Array(end);
  body.set(base.subarray(0, directoryEnd));
  body.set(base.subarray(directoryEnd), directoryEnd + shift);
  const out = new DataView(body.buffer);
  out.setUint32(c.HEADER_TOTAL_BYTES, end, true);
  out.setUint32(c.HEADER_SECTION_COUNT, sections + added.length, true);
  for (let i = 0; i < sections; i++) {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES + c.DIRECTORY_OFFSET;
    out.setUint32(at, out.getUint32(at, true) + shift, true);
  }
  for (const [i, [kind, stride, bytes]] of added.entries()) {
    const at = directoryEnd + i * c.DIRECTORY_ENTRY_BYTES;
    out.setUint16(at + c.DIRECTORY_KIND, kind, true);
    out.setUint16(at + c.DIRECTORY_STRIDE, stride, true);
    out.setUint32(at + c.DIRECTORY_OFFSET, places[i] as number, true);
    out.setUint32(at + c.DIRECTORY_RECORDS, bytes.length / stride, true);
    body.set(bytes, places[i] as number);
  }
  return body;
}
