// The payload of readings that a collector sends to the other sidecars: JSON, compressed with gzip. It has ages instead of times, because
// each sidecar has a clock of its own. Every value is checked, because the payload comes from another process. A wrong row costs that row
// only, and other members than these are ignored:
//
//   { "v": 1, "engines": { <engine>: <print of its table> }, "pods": [ { "address", "age", "oldest", "next", "seconds", "reading" } ] }
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { MAX_ADDRESS_BYTES, MAX_ENDPOINTS } from "../../../protocol/constants.ts";
import { COUNTERS } from "../../engines/engine-rows.ts";
import type { EngineTable } from "../../engines/index.ts";
import type { AdapterReading, Counters, Reading } from "../../engines/reading.ts";

/** What one sidecar has read from a pod, for other sidecars. Times are ms. */
export interface SharedReading {
  address: string;
  /** Time since the scrape began. */
  age: number;
  /** Time since the oldest of the reading's signals was read; at least `age`. */
  oldest: number;
  /** From the beginning of the scrape to the beginning of the next one. */
  next: number;
  /** How long the pod took to answer, seconds. */
  seconds: number;
  reading: Reading;
}

/** By an engine's name the print of its table. A reading counts only where both sidecars have the same table. */
export type EnginePrints = Readonly<Record<string, string>>;

const VERSION = 1;
/** Bytes of a payload before it is compressed. Some 2,000 pods have room. */
const MAX_PAYLOAD_BYTES = 4 << 20;
/** Characters of a row. A pod that lists long names of adapters must not take the room of others. */
const MAX_ROW_LENGTH = 65_536;
const MAX_AGE_MS = 60_000;
const MAX_SECONDS = 60;
const MAX_ENGINES = 256;
/** Limits of a reading's numbers, of its adapters and of the length of names. */
const MAX_NUMBER = 1e15;
const MAX_ADAPTERS = 1024;
const MAX_NAME_LENGTH = 256;

/** Rows that are alike compress to a thirtieth. A payload that gets larger is refused, because to read it takes long. */
const MAX_RATIO = 64;
const SMALL_BYTES = 65_536;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Returns the prints of a table of engines. */
export function enginePrints(engines: EngineTable): EnginePrints {
  const print = (engine: object) => createHash("sha256").update(JSON.stringify(engine)).digest("hex").slice(0, 16);
  return Object.fromEntries([...engines].map(([name, engine]) => [name, print(engine)]));
}

/**
 * Encodes readings, as many as fit into MAX_PAYLOAD_BYTES and, compressed, into `maxBytes`. Returns the bytes, and how many of
 * the readings they have. A reading that is too long for a row is left out, and counts as one that they have.
 */
export async function encodeReadings(
  readings: readonly SharedReading[],
  prints: EnginePrints,
  maxBytes: number,
): Promise<{ payload: Uint8Array; count: number }> {
  const used = new Set(readings.map(({ reading }) => reading.engine));
  const engines = JSON.stringify(Object.fromEntries(Object.entries(prints).filter(([name]) => used.has(name))));
  const rows: string[] = [];
  let length = engines.length;
  for (const each of readings.slice(0, MAX_ENDPOINTS)) {
    const next = Math.min(each.next, MAX_AGE_MS);
    const whole = JSON.stringify({ ...each, age: above(each.age), oldest: above(each.oldest), next });
    const row = whole.length > MAX_ROW_LENGTH ? "" : whole;
    // A character has at most three bytes in UTF-8.
    length += 3 * row.length;
    if (length > MAX_PAYLOAD_BYTES && rows.length > 0) break;
    rows.push(row);
  }
  for (let count = rows.length; ; count = Math.floor(count / 2)) {
    const pods = rows.slice(0, count).filter((row) => row !== "");
    const text = `{"v":${VERSION},"engines":${engines},"pods":[${pods.join(",")}]}`;
    const payload = await compress(text, { level: 1 });
    if (payload.length <= maxBytes || count === 0) return { payload, count };
  }
}

/** Rounds up, so that no reading looks younger than it is. */
function above(ms: number): number {
  return Math.ceil(ms * 100) / 100;
}

/**
 * Decodes a payload. `refused`: the number of rows that are wrong. Throws an Error if the payload is wrong as a whole, or of
 * another version.
 */
export async function decodeReadings(
  payload: Uint8Array,
): Promise<{ prints: EnginePrints; readings: SharedReading[]; refused: number }> {
  const most = Math.min(MAX_PAYLOAD_BYTES, Math.max(SMALL_BYTES, MAX_RATIO * payload.length));
  const text = await decompress(payload, { maxOutputLength: most });
  const json: unknown = JSON.parse(text.toString("utf8"));
  if (!isObject(json) || json.v !== VERSION || !Array.isArray(json.pods) || !isObject(json.engines))
    throw new Error(`readings: expected an object with v ${VERSION}, engines and pods`);
  const engines = Object.entries(json.engines);
  if (json.pods.length > MAX_ENDPOINTS || engines.length > MAX_ENGINES) throw new Error("readings: too many");
  const prints = Object.fromEntries(engines.filter((one): one is [string, string] => typeof one[1] === "string"));
  const readings = json.pods.flatMap((row) => rowOf(row) ?? []);
  return { prints, readings, refused: json.pods.length - readings.length };
}

function rowOf(row: unknown): SharedReading | undefined {
  if (!isObject(row)) return undefined;
  const { address, age, oldest, next, seconds } = row;
  const reading = readingOf(row.reading);
  if (typeof address !== "string" || address.length > MAX_ADDRESS_BYTES || reading === undefined) return undefined;
  if (!isNumber(age, MAX_AGE_MS) || !isNumber(oldest, 2 * MAX_AGE_MS) || oldest < age) return undefined;
  if (!isNumber(next, MAX_AGE_MS) || !isNumber(seconds, MAX_SECONDS)) return undefined;
  return { address, age, oldest, next, seconds, reading };
}

function readingOf(value: unknown): Reading | undefined {
  if (!isObject(value)) return undefined;
  const { engine, asleep } = value;
  const counters = countersOf(value.counters);
  const adapters = adaptersOf(value.adapters);
  if (!isName(engine) || typeof asleep !== "boolean" || counters === undefined || adapters === undefined)
    return undefined;
  const reading: Reading = {
    engine,
    waiting: null,
    running: null,
    kvUsage: null,
    asleep,
    kvBlocks: null,
    blockTokens: null,
    offloadGiB: null,
    cacheBytes: null,
    counters,
    adapters,
    samples: isNumber(value.samples, MAX_NUMBER) ? value.samples : 0,
    malformed: isNumber(value.malformed, MAX_NUMBER) ? value.malformed : 0,
  };
  for (const name of NUMBERS) {
    const number = value[name] ?? null;
    if (number !== null && !isNumber(number, MAX_NUMBER)) return undefined;
    reading[name] = number;
  }
  return reading;
}

/** A collector of an older release lacks what was added later: a missing number is unknown. */
const NUMBERS = ["waiting", "running", "kvUsage", "kvBlocks", "blockTokens", "offloadGiB", "cacheBytes"] as const;

function countersOf(value: unknown): Counters | undefined {
  if (!isObject(value)) return undefined;
  const counters: Counters = {};
  for (const name of COUNTERS) {
    const number = value[name];
    if (number === undefined) continue;
    if (!isNumber(number, MAX_NUMBER)) return undefined;
    counters[name] = number;
  }
  return counters;
}

/** Returns the adapters; null: the pod has none; undefined: the value is wrong. */
function adaptersOf(value: unknown): AdapterReading | null | undefined {
  if (value === null || value === undefined) return null;
  if (!isObject(value) || !isNumber(value.max, MAX_NUMBER)) return undefined;
  const { max, running, waiting } = value;
  return areNames(running) && areNames(waiting) ? { max, running, waiting } : undefined;
}

function areNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_ADAPTERS && value.every(isName);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME_LENGTH;
}

/** JSON has numbers such as 1e999, which are read as infinite. */
function isNumber(value: unknown, max: number): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
