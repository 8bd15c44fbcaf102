// Decodes the bytes of a snapshot for tests and tools. Refuses bytes by the same rules as the filter (rules.ts).

import { isUtf8 } from "node:buffer";
import { decodeCached } from "./cached.ts";
import * as c from "./constants.ts";
import { readCosts, readTokenizers } from "./costs.ts";
import { readDirectory, type Section, Strings } from "./decode-directory.ts";
import { poolAt, readObjectives, readPools, readRules } from "./decode-objects.ts";
import { namedAt, type ReadName, readPlaces, readPolicies } from "./decode-places.ts";
import { isAddress, nameProblem } from "./grammar.ts";
import {
  BROKEN_BODY_LENGTH,
  BROKEN_ENDPOINT_ADDRESS,
  BROKEN_ENDPOINT_KV_USAGE,
  BROKEN_ENDPOINT_ORDER,
  BROKEN_MAGIC,
  BROKEN_MAJOR,
  BROKEN_MODEL_BASE,
  BROKEN_MODEL_KIND,
  BROKEN_MODEL_NAME,
  BROKEN_MODEL_ORDER,
  BROKEN_MODEL_RANGE,
  BROKEN_MODEL_TOTAL,
  BROKEN_PLACE_INDEX,
  BROKEN_POLICY_INDEX,
  BROKEN_SERVED_INDEX,
  BROKEN_SERVED_ORDER,
  BROKEN_SERVED_STATE,
  BROKEN_TOTAL_BYTES,
  BROKEN_VERSION,
} from "./rules.ts";
import type {
  AdapterState,
  EndpointView,
  ModelEndpointView,
  ModelView,
  PlaceView,
  PolicyView,
  PoolView,
  SnapshotView,
} from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";
import { readTraffic } from "./traffic.ts";

function checkAscending(rule: number, field: string, before: Buffer | null, bytes: Buffer): void {
  if (before !== null && before.compare(bytes) >= 0) {
    throw new SnapshotError(rule, field, bytes.toString(), `bytes strictly above ${JSON.stringify(before.toString())}`);
  }
}

function unknownToNull(value: number): number | null {
  return value === c.UNKNOWN ? null : value;
}

function readEndpoints(
  view: DataView,
  section: Section,
  strings: Strings,
  { places, pools }: { places: readonly PlaceView[]; pools: readonly PoolView[] | undefined },
): EndpointView[] {
  let before: Buffer | null = null;
  return Array.from({ length: section.records }, (_, i) => {
    const at = section.offset + i * section.stride;
    const field = `endpoints[${i}]`;
    const bytes = strings.get(
      BROKEN_ENDPOINT_ADDRESS,
      `${field}.address`,
      view.getUint32(at + c.ENDPOINT_ADDRESS_OFFSET, true),
      view.getUint16(at + c.ENDPOINT_ADDRESS_LENGTH, true),
      c.MAX_ADDRESS_BYTES,
    );
    const address = bytes.toString("latin1");
    if (!isAddress(address)) {
      throw new SnapshotError(
        BROKEN_ENDPOINT_ADDRESS,
        `${field}.address`,
        address,
        "a.b.c.d:port or [ipv6]:port, port 1...65535",
      );
    }
    checkAscending(BROKEN_ENDPOINT_ORDER, `${field}.address`, before, bytes);
    before = bytes;
    const flags = view.getUint16(at + c.ENDPOINT_FLAGS, true);
    const usage = view.getFloat32(at + c.ENDPOINT_KV_USAGE, true);
    if (!Number.isNaN(usage) && !(usage >= 0 && usage <= 1)) {
      throw new SnapshotError(BROKEN_ENDPOINT_KV_USAGE, `${field}.kvUsage`, usage, "0...1 or NaN");
    }
    const place = namedAt(BROKEN_PLACE_INDEX, `${field}.place`, view.getUint32(at + c.ENDPOINT_PLACE, true), places);
    const weight = view.getUint16(at + c.ENDPOINT_WEIGHT, true);
    const pool = poolAt(pools, `${field}.pool`, view.getUint32(at + c.ENDPOINT_POOL, true));
    return {
      address,
      ready: (flags & c.ENDPOINT_READY) !== 0,
      draining: (flags & c.ENDPOINT_DRAINING) !== 0,
      asleep: (flags & c.ENDPOINT_ASLEEP) !== 0,
      waiting: unknownToNull(view.getUint32(at + c.ENDPOINT_WAITING, true)),
      running: unknownToNull(view.getUint32(at + c.ENDPOINT_RUNNING, true)),
      kvUsage: Number.isNaN(usage) ? null : usage,
      scrapeAgeMs: unknownToNull(view.getUint32(at + c.ENDPOINT_SCRAPE_AGE, true)),
      kvBlocks: view.getUint32(at + c.ENDPOINT_KV_BLOCKS, true) || null,
      blockTokens: view.getUint32(at + c.ENDPOINT_BLOCK_TOKENS, true) || null,
      maxLora: view.getUint16(at + c.ENDPOINT_MAX_LORA, true),
      ...readCosts(view, at, field),
      ...(place !== undefined && { place }),
      ...(weight > 0 && { weight }),
      ...((flags & c.ENDPOINT_GATEWAY) !== 0 && { gateway: true }),
      ...(pool === null ? {} : { pool }),
    };
  });
}

const STATES: readonly AdapterState[] = ["listed", "running", "waiting"];

function readServed(
  view: DataView,
  section: Section,
  endpoints: readonly EndpointView[],
  field: string,
  range: readonly [first: number, count: number],
): ModelEndpointView[] {
  const [first, count] = range;
  if (first + count > section.records) {
    throw new SnapshotError(
      BROKEN_MODEL_RANGE,
      `${field}.first`,
      first,
      `${count} records inside the ${section.records} of MODEL_ENDPOINTS`,
    );
  }
  let before = -1;
  return Array.from({ length: count }, (_, i) => {
    const at = section.offset + (first + i) * section.stride;
    const index = view.getUint32(at + c.MODEL_ENDPOINT_INDEX, true);
    const state = STATES[view.getUint8(at + c.MODEL_ENDPOINT_STATE)];
    const address = endpoints[index]?.address;
    if (address === undefined) {
      throw new SnapshotError(
        BROKEN_SERVED_INDEX,
        `${field}.endpoints[${i}].index`,
        index,
        `below ${endpoints.length}`,
      );
    }
    if (index <= before)
      throw new SnapshotError(BROKEN_SERVED_ORDER, `${field}.endpoints[${i}].index`, index, `above ${before}`);
    if (state === undefined) {
      throw new SnapshotError(
        BROKEN_SERVED_STATE,
        `${field}.endpoints[${i}].state`,
        view.getUint8(at + c.MODEL_ENDPOINT_STATE),
        "0, 1 or 2",
      );
    }
    before = index;
    return { address, state };
  });
}

function readModels(
  view: DataView,
  section: Section,
  served: Section,
  endpoints: readonly EndpointView[],
  of: { strings: Strings; policies: readonly PolicyView[]; pools: readonly PoolView[] | undefined },
): ModelView[] {
  let before: Buffer | null = null;
  const bases: number[] = [];
  const { strings, policies, pools } = of;
  // Ranges may overlap, so without this sum a small body could ask for 4096 x 65536 reads.
  let total = 0;
  const models = Array.from({ length: section.records }, (_, i): ModelView => {
    const at = section.offset + i * section.stride;
    const field = `models[${i}]`;
    const bytes = strings.get(
      BROKEN_MODEL_NAME,
      `${field}.name`,
      view.getUint32(at + c.MODEL_NAME_OFFSET, true),
      view.getUint16(at + c.MODEL_NAME_LENGTH, true),
      c.MAX_MODEL_NAME_BYTES,
    );
    const name = bytes.toString("utf8");
    if (!isUtf8(bytes)) throw new SnapshotError(BROKEN_MODEL_NAME, `${field}.name`, name, "valid UTF-8");
    const problem = nameProblem(name);
    if (problem !== null) throw new SnapshotError(BROKEN_MODEL_NAME, `${field}.name`, name, problem);
    checkAscending(BROKEN_MODEL_ORDER, `${field}.name`, before, bytes);
    before = bytes;
    const kind = view.getUint16(at + c.MODEL_KIND, true);
    if (kind !== c.MODEL_IS_BASE && kind !== c.MODEL_IS_ADAPTER) {
      throw new SnapshotError(
        BROKEN_MODEL_KIND,
        `${field}.kind`,
        kind,
        `${c.MODEL_IS_BASE} (base) or ${c.MODEL_IS_ADAPTER} (adapter)`,
      );
    }
    bases.push(view.getUint32(at + c.MODEL_BASE, true));
    total += view.getUint32(at + c.MODEL_COUNT, true);
    if (total > c.MAX_MODEL_ENDPOINTS) {
      throw new SnapshotError(
        BROKEN_MODEL_TOTAL,
        `${field}.count`,
        total,
        `at most ${c.MAX_MODEL_ENDPOINTS} with those before it`,
      );
    }
    const range = [view.getUint32(at + c.MODEL_FIRST, true), view.getUint32(at + c.MODEL_COUNT, true)] as const;
    const policy = namedAt(BROKEN_POLICY_INDEX, `${field}.policy`, view.getUint32(at + c.MODEL_POLICY, true), policies);
    const pool = poolAt(pools, `${field}.pool`, view.getUint32(at + c.MODEL_POOL, true));
    return {
      name,
      kind: kind === c.MODEL_IS_BASE ? "base" : "adapter",
      base: null,
      endpoints: readServed(view, served, endpoints, field, range),
      ...(policy !== undefined && { policy }),
      ...(pool === null ? {} : { pool }),
    };
  });
  for (const [i, model] of models.entries()) {
    const base = bases[i] ?? c.UNKNOWN;
    if (model.kind === "base") {
      if (base !== i)
        throw new SnapshotError(BROKEN_MODEL_BASE, `models[${i}].base`, base, `${i}: a base model names itself`);
      model.base = model.name;
    } else if (base !== c.UNKNOWN) {
      const named = models[base];
      if (named?.kind !== "base")
        throw new SnapshotError(BROKEN_MODEL_BASE, `models[${i}].base`, base, "the index of a base model");
      model.base = named.name;
    }
  }
  return models;
}

/** Throws a SnapshotError at the first broken rule. The error names the rule, the field, its value and the expected value. */
export function decodeSnapshot(body: Uint8Array): SnapshotView {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.length < c.HEADER_BYTES)
    throw new SnapshotError(BROKEN_BODY_LENGTH, "body length", body.length, `at least ${c.HEADER_BYTES}`);
  if (body.length > c.MAX_SNAPSHOT_BYTES) {
    throw new SnapshotError(BROKEN_BODY_LENGTH, "body length", body.length, `at most ${c.MAX_SNAPSHOT_BYTES}`);
  }
  const magic = view.getUint32(c.HEADER_MAGIC, true);
  if (magic !== c.MAGIC) throw new SnapshotError(BROKEN_MAGIC, "header.magic", magic, `${c.MAGIC} ("PFSN")`);
  const major = view.getUint16(c.HEADER_MAJOR, true);
  if (major !== c.MAJOR) throw new SnapshotError(BROKEN_MAJOR, "header.major", major, String(c.MAJOR));
  const total = view.getUint32(c.HEADER_TOTAL_BYTES, true);
  if (total !== body.length)
    throw new SnapshotError(BROKEN_TOTAL_BYTES, "header.totalBytes", total, `${body.length}, the body's length`);
  const version = view.getBigUint64(c.HEADER_VERSION, true);
  if (version === 0n) throw new SnapshotError(BROKEN_VERSION, "header.version", version, "1...2^64-1");

  const sections = readDirectory(view);
  const text = sections.STRINGS;
  const strings = new Strings(Buffer.from(body.buffer, body.byteOffset + text.offset, text.records));
  const readName: ReadName = (rules, field, offset, length, max, before) => {
    const bytes = strings.get(rules.name, field, offset, length, max);
    checkAscending(rules.order, field, before === null ? null : Buffer.from(before), bytes);
    return bytes.toString("utf8");
  };
  const places = readPlaces(view, sections.PLACES, readName);
  const policies = readPolicies(view, sections.POLICIES, readName);
  const pools = sections.POOLS && readPools(view, sections.POOLS, strings);
  const endpoints = readEndpoints(view, sections.ENDPOINTS, strings, { places, pools });
  const of = { strings, pools, policies };
  const models = readModels(view, sections.MODELS, sections.MODEL_ENDPOINTS, endpoints, of);
  const traffic = readTraffic(view, sections, endpoints);
  const snapshot: SnapshotView = {
    version,
    source: view.getBigUint64(c.HEADER_SOURCE, true),
    endpoints,
    models,
    ...traffic,
  };
  if (pools !== undefined) snapshot.pools = pools;
  if (sections.OBJECTIVES) snapshot.objectives = readObjectives(view, sections.OBJECTIVES, strings, pools);
  if (sections.RULES) snapshot.rules = readRules(view, sections.RULES, strings, pools);
  if (sections.TOKENIZERS) snapshot.tokenizers = readTokenizers(view, sections.TOKENIZERS, models);
  if (sections.CACHED) {
    const bytes = body.subarray(sections.CACHED.offset, sections.CACHED.offset + sections.CACHED.records * 8);
    snapshot.cached = decodeCached(bytes, "cached");
  }
  if (sections.PLACES) snapshot.places = places;
  if (sections.POLICIES) snapshot.policies = policies;
  return snapshot;
}
