// What a snapshot says, free of its bytes. encode.ts and decode.ts are the two directions; both hold to checkSnapshot.
import { isIPv4 } from "node:net";
import {
  MAX_ADDRESS_BYTES,
  MAX_ENDPOINTS,
  MAX_MODEL_ENDPOINTS,
  MAX_MODEL_NAME_BYTES,
  MAX_MODELS,
  MAX_PLACES,
  MAX_POLICIES,
} from "./constants.ts";
import type { PrefixRecord, RemoteView } from "./exchange.ts";
import { checkObjects, type ObjectiveView, type PoolView, type RuleView } from "./objects.ts";

export interface EndpointView {
  /** `a.b.c.d:port` or `[ipv6]:port`, written as Envoy writes it. */
  address: string;
  ready: boolean;
  draining: boolean;
  asleep: boolean;
  /** null where the model server does not say. */
  waiting: number | null;
  running: number | null;
  /** 0...1 */
  kvUsage: number | null;
  /** Milliseconds between the scrape and the making of the snapshot; null when never scraped. */
  scrapeAgeMs: number | null;
  kvBlocks: number | null;
  blockTokens: number | null;
  /** Adapters that can be active at once; 0 when none or unknown. */
  maxLora: number;
  /** Absent where it has no place. */
  place?: string;
  /** How many pods it counts for; 1 when absent. */
  weight?: number;
  /** It stands for all endpoints of its place, behind that cluster's gateway. */
  gateway?: boolean;
  /** Name of the pool that it belongs to. */
  pool?: string | undefined;
}

export type AdapterState = "listed" | "running" | "waiting";

export interface ModelEndpointView {
  address: string;
  state: AdapterState;
}

export interface ModelView {
  name: string;
  kind: "base" | "adapter";
  /** A base names itself; an adapter names a listed base, or null. */
  base: string | null;
  endpoints: ModelEndpointView[];
  /** Name of a listed policy; absent when none is for the model. */
  policy?: string;
  /** Name of the pool whose endpoints serve it, when it is one. */
  pool?: string | undefined;
}

export interface PlaceView {
  name: string;
  /** The lowest is filled first; places of one order share by weight. */
  order: number;
  roundTripUs: number | null;
  weight: number;
}

export type PolicyMode = "order" | "utilization" | "in-flight";

export interface PolicyView {
  name: string;
  mode: PolicyMode;
  /** Above 0, at most 1; null but for "utilization". */
  target: number | null;
  /** Per pod; null but for "in-flight". */
  mostInFlight: number | null;
  timeoutMs: number | null;
  dryRun: boolean;
  short: boolean;
}

export interface SnapshotView {
  /** Microseconds since the Unix epoch at the producer; decides which snapshot is newer. */
  version: bigint;
  /** Random id of the producing process. */
  source: bigint;
  /** The producer knows all that it should. */
  complete?: boolean;
  endpoints: EndpointView[];
  models: ModelView[];
  places?: PlaceView[];
  policies?: PolicyView[];
  /** Left out, their sections are not written: nothing of it is used. */
  pools?: PoolView[] | undefined;
  objectives?: ObjectiveView[] | undefined;
  rules?: RuleView[] | undefined;
  /** What other Envoys have in flight. */
  remote?: RemoteView;
  /** What other Envoys sent lately. */
  prefixes?: PrefixRecord[];
}

/** A snapshot that breaks a rule of the README: which field, what it held, what was expected there. */
export class SnapshotError extends Error {
  readonly code = "snapshot_malformed";
  readonly field: string;
  readonly expected: string;

  constructor(field: string, value: unknown, expected: string) {
    super(`${field}: got ${shown(value)}, expected ${expected}`);
    this.name = "SnapshotError";
    this.field = field;
    this.expected = expected;
  }
}

const MAX_U64 = (1n << 64n) - 1n;
// The highest u32 means "unknown" on the wire, so it is not a number that a field can hold.
const MAX_U32_VALUE = 0xfffffffe;
const MAX_U16 = 0xffff;

function shown(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

const PORT = /^[1-9][0-9]{0,4}$/;
// The grammar that the filter checks too. The full IPv6 grammar is the producer's duty: a wrong one never equals a
// host of Envoy's, and is then simply not picked.
const IPV6 = /^[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*$/;

/** Whether `address` is `a.b.c.d:port` or `[ipv6]:port` as the wire wants it. */
export function isAddress(address: string): boolean {
  if (address.length > MAX_ADDRESS_BYTES) return false;
  const colon = address.lastIndexOf(":");
  const port = address.slice(colon + 1);
  if (colon < 0 || !PORT.test(port) || Number(port) > 65535) return false;
  const host = address.slice(0, colon);
  if (!host.startsWith("[")) return isIPv4(host);
  const inner = host.slice(1, -1);
  return host.endsWith("]") && inner.length <= 45 && IPV6.test(inner);
}

/** What is wrong with a name, said as what was expected; null when nothing is. */
export function nameProblem(name: string, most: number = MAX_MODEL_NAME_BYTES): string | null {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length < 1 || bytes.length > most) return `1...${most} bytes of UTF-8`;
  // A lone surrogate does not survive the round trip.
  if (bytes.toString("utf8") !== name) return "well-formed Unicode";
  for (const byte of bytes) if (byte < 0x20 || byte === 0x7f) return "no control characters";
  return null;
}

function checkInteger(field: string, value: number | null, max: number): void {
  if (value === null) return;
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new SnapshotError(field, value, `an integer 0...${max} or null`);
  }
}

function checkEndpoint(endpoint: EndpointView, field: string): void {
  if (!isAddress(endpoint.address)) {
    throw new SnapshotError(`${field}.address`, endpoint.address, "a.b.c.d:port or [ipv6]:port, port 1...65535");
  }
  checkInteger(`${field}.waiting`, endpoint.waiting, MAX_U32_VALUE);
  checkInteger(`${field}.running`, endpoint.running, MAX_U32_VALUE);
  checkInteger(`${field}.scrapeAgeMs`, endpoint.scrapeAgeMs, MAX_U32_VALUE);
  checkInteger(`${field}.kvBlocks`, endpoint.kvBlocks, MAX_U32_VALUE);
  checkInteger(`${field}.blockTokens`, endpoint.blockTokens, MAX_U32_VALUE);
  checkInteger(`${field}.maxLora`, endpoint.maxLora, MAX_U16);
  const usage = endpoint.kvUsage;
  if (usage !== null && !(usage >= 0 && usage <= 1)) {
    throw new SnapshotError(`${field}.kvUsage`, usage, "a number 0...1 or null");
  }
}

function checkCount(field: string, count: number, max: number): void {
  if (count > max) throw new SnapshotError(field, count, `at most ${max}`);
}

const PLACE_NAME = /^[A-Za-z0-9_-]{1,63}$/;

export function isPlaceName(name: string): boolean {
  return PLACE_NAME.test(name);
}

function checkNames(field: string, names: readonly string[], problem: (name: string) => string | null): Set<string> {
  const known = new Set<string>();
  for (const [i, name] of names.entries()) {
    const wrong = problem(name);
    if (wrong !== null) throw new SnapshotError(`${field}[${i}].name`, name, wrong);
    if (known.has(name)) throw new SnapshotError(`${field}[${i}].name`, name, "a name that is not listed twice");
    known.add(name);
  }
  return known;
}

function checkPlaces({ endpoints, models, places = [], policies = [] }: SnapshotView): void {
  checkCount("places.length", places.length, MAX_PLACES);
  checkCount("policies.length", policies.length, MAX_POLICIES);
  const placeNames = checkNames(
    "places",
    places.map(({ name }) => name),
    (name) => (isPlaceName(name) ? null : "1...63 letters, digits, - and _"),
  );
  for (const [i, place] of places.entries()) {
    checkInteger(`places[${i}].order`, place.order, MAX_U32_VALUE);
    checkInteger(`places[${i}].roundTripUs`, place.roundTripUs, MAX_U32_VALUE);
    checkInteger(`places[${i}].weight`, place.weight, MAX_U32_VALUE);
  }
  const policyNames = checkNames(
    "policies",
    policies.map(({ name }) => name),
    nameProblem,
  );
  for (const [i, { mode, target, mostInFlight, timeoutMs }] of policies.entries()) {
    if (mode === "utilization" && !(target !== null && target > 0 && target <= 1)) {
      throw new SnapshotError(`policies[${i}].target`, target, "a number above 0, at most 1");
    }
    if (mode === "in-flight" && !(mostInFlight !== null && mostInFlight >= 1)) {
      throw new SnapshotError(`policies[${i}].mostInFlight`, mostInFlight, "an integer of at least 1");
    }
    checkInteger(`policies[${i}].mostInFlight`, mostInFlight, MAX_U32_VALUE);
    checkInteger(`policies[${i}].timeoutMs`, timeoutMs, MAX_U32_VALUE);
  }
  for (const [i, { place, weight }] of endpoints.entries()) {
    if (place !== undefined && !placeNames.has(place)) {
      throw new SnapshotError(`endpoints[${i}].place`, place, "the name of a listed place");
    }
    checkInteger(`endpoints[${i}].weight`, weight ?? null, MAX_U16);
  }
  for (const [i, { policy }] of models.entries()) {
    if (policy !== undefined && !policyNames.has(policy)) {
      throw new SnapshotError(`models[${i}].policy`, policy, "the name of a listed policy");
    }
  }
}

/** Throws a SnapshotError at the first broken rule. Order is not one of them: the encoder sorts. */
export function checkSnapshot(view: SnapshotView): void {
  if (view.version < 1n || view.version > MAX_U64) throw new SnapshotError("version", view.version, "1...2^64-1");
  if (view.source < 0n || view.source > MAX_U64) throw new SnapshotError("source", view.source, "0...2^64-1");
  checkCount("endpoints.length", view.endpoints.length, MAX_ENDPOINTS);
  checkCount("models.length", view.models.length, MAX_MODELS);

  const addresses = new Set<string>();
  for (const [i, endpoint] of view.endpoints.entries()) {
    checkEndpoint(endpoint, `endpoints[${i}]`);
    if (addresses.has(endpoint.address)) {
      throw new SnapshotError(`endpoints[${i}].address`, endpoint.address, "an address that is not listed twice");
    }
    addresses.add(endpoint.address);
  }

  const kinds = new Map<string, ModelView["kind"]>();
  for (const [i, model] of view.models.entries()) {
    const problem = nameProblem(model.name);
    if (problem !== null) throw new SnapshotError(`models[${i}].name`, model.name, problem);
    if (kinds.has(model.name))
      throw new SnapshotError(`models[${i}].name`, model.name, "a name that is not listed twice");
    kinds.set(model.name, model.kind);
  }
  let total = 0;
  for (const [i, model] of view.models.entries()) {
    if (model.kind === "base" && model.base !== model.name) {
      throw new SnapshotError(`models[${i}].base`, model.base, "a base model to name itself");
    }
    if (model.kind === "adapter" && model.base !== null && kinds.get(model.base) !== "base") {
      throw new SnapshotError(`models[${i}].base`, model.base, "the name of a listed base model, or null");
    }
    const served = new Set<string>();
    for (const [j, { address }] of model.endpoints.entries()) {
      if (!addresses.has(address) || served.has(address)) {
        throw new SnapshotError(`models[${i}].endpoints[${j}]`, address, "a listed endpoint, once");
      }
      served.add(address);
    }
    total += served.size;
  }
  checkCount("models[].endpoints in all", total, MAX_MODEL_ENDPOINTS);
  checkPlaces(view);
  checkObjects(view);
}
