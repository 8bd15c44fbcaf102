// What the encoder refuses: a view whose bytes the filter would refuse.
import { checkObjects } from "./check-objects.ts";
import { MAX_ENDPOINTS, MAX_MODEL_ENDPOINTS, MAX_MODELS, MAX_PLACES, MAX_POLICIES } from "./constants.ts";
import { isAddress, isPlaceName, nameProblem } from "./grammar.ts";
import type { EndpointView, ModelView, SnapshotView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

const MAX_U64 = (1n << 64n) - 1n;
// The highest u32 means "unknown" on the wire, so it is not a number that a field can hold.
const MAX_U32_VALUE = 0xfffffffe;
const MAX_U16 = 0xffff;

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
