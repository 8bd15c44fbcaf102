// Encodes a SnapshotView as header, directory, ENDPOINTS, MODELS, MODEL_ENDPOINTS, the optional sections and STRINGS.
// Equal views give equal bytes, whatever the order of their lists.
import { encodeCached } from "./cached.ts";
import { checkSnapshot } from "./check-snapshot.ts";
import * as c from "./constants.ts";
import { writeCosts, writeTokenizers } from "./costs.ts";
import { objectSections, poolIndexOf } from "./encode-objects.ts";
import { layPlaces } from "./encode-places.ts";
import { sortedByBytes } from "./grammar.ts";
import type { EndpointView, ModelView, SnapshotView } from "./snapshot.ts";
import { encodePrefixes, remoteSection, withCached, withTraffic } from "./traffic.ts";

/** Thrown for a snapshot of more than MAX_SNAPSHOT_BYTES, which the filter would refuse with 413. */
export class SnapshotTooLargeError extends Error {
  readonly code = c.CODE_TOO_LARGE;
  readonly bytes: number;

  constructor(bytes: number) {
    super(`snapshot: ${bytes} bytes, expected at most ${c.MAX_SNAPSHOT_BYTES}`);
    this.name = "SnapshotTooLargeError";
    this.bytes = bytes;
  }
}

function align8(offset: number): number {
  return (offset + 7) & ~7;
}

const STATES = { listed: c.ADAPTER_LISTED, running: c.ADAPTER_RUNNING, waiting: c.ADAPTER_WAITING } as const;

interface Section {
  kind: number;
  stride: number;
  records: number;
  offset: number;
}

/** Lays the sections out one after the other, each 8-aligned. Also returns the end of the last section. */
function layOut(records: ReadonlyArray<readonly [kind: number, stride: number, records: number]>): [Section[], number] {
  let end = c.HEADER_BYTES + records.length * c.DIRECTORY_ENTRY_BYTES;
  const sections = records.map(([kind, stride, count]) => {
    const offset = align8(end);
    end = offset + stride * count;
    return { kind, stride, records: count, offset };
  });
  return [sections, end];
}

function writeHeader(out: DataView, view: SnapshotView, sections: readonly Section[]): void {
  out.setUint32(c.HEADER_MAGIC, c.MAGIC, true);
  out.setUint16(c.HEADER_MAJOR, c.MAJOR, true);
  out.setUint16(c.HEADER_MINOR, c.MINOR, true);
  out.setUint32(c.HEADER_TOTAL_BYTES, out.byteLength, true);
  out.setUint32(c.HEADER_SECTION_COUNT, sections.length, true);
  out.setBigUint64(c.HEADER_VERSION, view.version, true);
  out.setBigUint64(c.HEADER_SOURCE, view.source, true);
  out.setUint32(c.HEADER_FLAGS, view.complete === true ? c.HEADER_COMPLETE : 0, true);
  for (const [i, section] of sections.entries()) {
    const at = c.HEADER_BYTES + i * c.DIRECTORY_ENTRY_BYTES;
    out.setUint16(at + c.DIRECTORY_KIND, section.kind, true);
    out.setUint16(at + c.DIRECTORY_STRIDE, section.stride, true);
    out.setUint32(at + c.DIRECTORY_OFFSET, section.offset, true);
    out.setUint32(at + c.DIRECTORY_RECORDS, section.records, true);
  }
}

function writeEndpoint(out: DataView, at: number, endpoint: EndpointView, stringAt: number, length: number): void {
  let flags = 0;
  if (endpoint.ready) flags |= c.ENDPOINT_READY;
  if (endpoint.draining) flags |= c.ENDPOINT_DRAINING;
  if (endpoint.asleep) flags |= c.ENDPOINT_ASLEEP;
  if (endpoint.gateway) flags |= c.ENDPOINT_GATEWAY;
  out.setUint32(at + c.ENDPOINT_ADDRESS_OFFSET, stringAt, true);
  out.setUint16(at + c.ENDPOINT_ADDRESS_LENGTH, length, true);
  out.setUint16(at + c.ENDPOINT_FLAGS, flags, true);
  out.setUint32(at + c.ENDPOINT_WAITING, endpoint.waiting ?? c.UNKNOWN, true);
  out.setUint32(at + c.ENDPOINT_RUNNING, endpoint.running ?? c.UNKNOWN, true);
  out.setFloat32(at + c.ENDPOINT_KV_USAGE, endpoint.kvUsage ?? Number.NaN, true);
  out.setUint32(at + c.ENDPOINT_SCRAPE_AGE, endpoint.scrapeAgeMs ?? c.UNKNOWN, true);
  out.setUint32(at + c.ENDPOINT_KV_BLOCKS, endpoint.kvBlocks ?? 0, true);
  out.setUint32(at + c.ENDPOINT_BLOCK_TOKENS, endpoint.blockTokens ?? 0, true);
  out.setUint16(at + c.ENDPOINT_MAX_LORA, endpoint.maxLora, true);
  out.setUint16(at + c.ENDPOINT_WEIGHT, endpoint.weight ?? 0, true);
  writeCosts(out, at, endpoint);
}

/** Throws a SnapshotError if the view breaks a rule, and a SnapshotTooLargeError if its bytes are too many. */
export function encodeSnapshot(view: SnapshotView): Uint8Array {
  checkSnapshot(view);
  const endpoints = sortedByBytes<EndpointView>(view.endpoints, (e) => e.address);
  const models = sortedByBytes<ModelView>(view.models, (m) => m.name);
  const endpointIndex = new Map(endpoints.map(({ item }, i) => [item.address, i]));
  const modelIndex = new Map(models.map(({ item }, i) => [item.name, i]));

  const places = layPlaces(view);
  const pools = poolIndexOf(view);
  const objects = objectSections(view, pools);
  let stringBytes = places.stringBytes + objects.bytes;
  for (const { bytes } of endpoints) stringBytes += bytes.length;
  for (const { bytes } of models) stringBytes += bytes.length;
  let served = 0;
  for (const { item } of models) served += item.endpoints.length;

  const [sections, total] = layOut([
    [c.SECTION_ENDPOINTS, c.ENDPOINT_BYTES, endpoints.length],
    [c.SECTION_MODELS, c.MODEL_BYTES, models.length],
    [c.SECTION_MODEL_ENDPOINTS, c.MODEL_ENDPOINT_BYTES, served],
    ...places.sections,
    ...objects.sections.map(({ kind, stride, records }) => [kind, stride, records] as const),
    ...(view.tokenizers === undefined
      ? []
      : [[c.SECTION_TOKENIZERS, c.TOKENIZER_BYTES, view.tokenizers.length] as const]),
    [c.SECTION_STRINGS, 1, stringBytes],
  ]);
  if (total > c.MAX_SNAPSHOT_BYTES) throw new SnapshotTooLargeError(total);
  const startOf = (kind: number): number => sections.find((section) => section.kind === kind)?.offset ?? 0;
  const endpointsAt = startOf(c.SECTION_ENDPOINTS);
  const modelsAt = startOf(c.SECTION_MODELS);
  const modelEndpointsAt = startOf(c.SECTION_MODEL_ENDPOINTS);
  const stringsAt = startOf(c.SECTION_STRINGS);

  const body = new Uint8Array(total);
  const out = new DataView(body.buffer);
  writeHeader(out, view, sections);

  let string = 0;
  for (const [i, { item, bytes }] of endpoints.entries()) {
    const at = endpointsAt + i * c.ENDPOINT_BYTES;
    writeEndpoint(out, at, item, string, bytes.length);
    out.setUint32(at + c.ENDPOINT_PLACE, places.placeNumber(item), true);
    if (item.pool !== undefined) out.setUint32(at + c.ENDPOINT_POOL, pools.get(item.pool) ?? 0, true);
    body.set(bytes, stringsAt + string);
    string += bytes.length;
  }

  if (view.tokenizers !== undefined) writeTokenizers(out, startOf(c.SECTION_TOKENIZERS), view.tokenizers, modelIndex);

  let first = 0;
  for (const [i, { item: model, bytes }] of models.entries()) {
    const at = modelsAt + i * c.MODEL_BYTES;
    out.setUint32(at + c.MODEL_NAME_OFFSET, string, true);
    out.setUint16(at + c.MODEL_NAME_LENGTH, bytes.length, true);
    out.setUint16(at + c.MODEL_KIND, model.kind === "base" ? c.MODEL_IS_BASE : c.MODEL_IS_ADAPTER, true);
    out.setUint32(at + c.MODEL_BASE, (model.base === null ? undefined : modelIndex.get(model.base)) ?? c.UNKNOWN, true);
    out.setUint32(at + c.MODEL_FIRST, first, true);
    out.setUint32(at + c.MODEL_COUNT, model.endpoints.length, true);
    out.setUint32(at + c.MODEL_POLICY, places.policyNumber(model), true);
    if (model.pool !== undefined) out.setUint32(at + c.MODEL_POOL, pools.get(model.pool) ?? 0, true);
    body.set(bytes, stringsAt + string);
    string += bytes.length;

    const indexed = model.endpoints
      .map(({ address, state }) => [endpointIndex.get(address) ?? c.UNKNOWN, STATES[state]] as const)
      .sort((a, b) => a[0] - b[0]);
    for (const [index, state] of indexed) {
      const record = modelEndpointsAt + first * c.MODEL_ENDPOINT_BYTES;
      out.setUint32(record + c.MODEL_ENDPOINT_INDEX, index, true);
      out.setUint8(record + c.MODEL_ENDPOINT_STATE, state);
      first += 1;
    }
  }

  const writeString = (bytes: Buffer): readonly [number, number] => {
    body.set(bytes, stringsAt + string);
    string += bytes.length;
    return [string - bytes.length, bytes.length];
  };
  for (const { kind, write } of objects.sections) write(out, startOf(kind), writeString);
  places.write(out, startOf, stringsAt, string);
  let whole: Uint8Array = body;
  if (view.remote !== undefined) {
    const counts = remoteSection(
      view.remote,
      endpoints.map(({ item }) => item.address),
    );
    whole = withTraffic(whole, view.remote.envoys, counts, encodePrefixes(view.prefixes ?? []));
  }
  if (view.cached !== undefined) whole = withCached(whole, encodeCached(view.cached));
  if (whole.length > c.MAX_SNAPSHOT_BYTES) throw new SnapshotTooLargeError(whole.length);
  return whole;
}
