// Checks a SnapshotView before it is encoded. Refuses every view whose bytes the filter would refuse.

import { checkObjects } from "./check-objects.ts";
import { MAX_ENDPOINTS, MAX_MODEL_ENDPOINTS, MAX_MODELS, MAX_PLACES, MAX_POLICIES } from "./constants.ts";
import { checkCosts, checkTokenizers } from "./costs.ts";
import { isAddress, isPlaceName, nameProblem } from "./grammar.ts";
import {
  BROKEN_ENDPOINT_ADDRESS,
  BROKEN_ENDPOINT_KV_USAGE,
  BROKEN_ENDPOINT_ORDER,
  BROKEN_MODEL_BASE,
  BROKEN_MODEL_NAME,
  BROKEN_MODEL_ORDER,
  BROKEN_MODEL_TOTAL,
  BROKEN_PLACE_INDEX,
  BROKEN_PLACE_NAME,
  BROKEN_PLACE_ORDER,
  BROKEN_POLICY_INDEX,
  BROKEN_POLICY_LIMIT,
  BROKEN_POLICY_NAME,
  BROKEN_POLICY_ORDER,
  BROKEN_SECTION_RECORDS,
  BROKEN_SERVED_INDEX,
  BROKEN_VERSION,
  VALID,
} from "./rules.ts";
import type { EndpointView, ModelView, SnapshotView } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";

const MAX_U64 = (1n << 64n) - 1n;
// The highest u32 means "unknown" on the wire, so no number can have this value.
const MAX_U32_VALUE = 0xfffffffe;
const MAX_U16 = 0xffff;

function checkInteger(field: string, value: number | null, max: number): void {
  if (value === null) return;
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new SnapshotError(VALID, field, value, `an integer 0...${max} or null`);
  }
}

function checkEndpoint(endpoint: EndpointView, field: string): void {
  if (!isAddress(endpoint.address)) {
    throw new SnapshotError(
      BROKEN_ENDPOINT_ADDRESS,
      `${field}.address`,
      endpoint.address,
      "a.b.c.d:port or [ipv6]:port, port 1...65535",
    );
  }
  checkInteger(`${field}.waiting`, endpoint.waiting, MAX_U32_VALUE);
  checkInteger(`${field}.running`, endpoint.running, MAX_U32_VALUE);
  checkInteger(`${field}.scrapeAgeMs`, endpoint.scrapeAgeMs, MAX_U32_VALUE);
  checkInteger(`${field}.kvBlocks`, endpoint.kvBlocks, MAX_U32_VALUE);
  checkInteger(`${field}.blockTokens`, endpoint.blockTokens, MAX_U32_VALUE);
  checkInteger(`${field}.maxLora`, endpoint.maxLora, MAX_U16);
  checkCosts(endpoint, field);
  const usage = endpoint.kvUsage;
  if (usage !== null && !(usage >= 0 && usage <= 1)) {
    throw new SnapshotError(BROKEN_ENDPOINT_KV_USAGE, `${field}.kvUsage`, usage, "a number 0...1 or null");
  }
}

function checkCount(rule: number, field: string, count: number, max: number): void {
  if (count > max) throw new SnapshotError(rule, field, count, `at most ${max}`);
}

function checkNames(
  rules: { name: number; order: number },
  field: string,
  names: readonly string[],
  problem: (name: string) => string | null,
): Set<string> {
  const known = new Set<string>();
  for (const [i, name] of names.entries()) {
    const wrong = problem(name);
    if (wrong !== null) throw new SnapshotError(rules.name, `${field}[${i}].name`, name, wrong);
    if (known.has(name))
      throw new SnapshotError(rules.order, `${field}[${i}].name`, name, "a name that is not listed twice");
    known.add(name);
  }
  return known;
}

function checkPlaces({ endpoints, models, places = [], policies = [] }: SnapshotView): void {
  checkCount(BROKEN_SECTION_RECORDS, "places.length", places.length, MAX_PLACES);
  checkCount(BROKEN_SECTION_RECORDS, "policies.length", policies.length, MAX_POLICIES);
  const placeNames = checkNames(
    { name: BROKEN_PLACE_NAME, order: BROKEN_PLACE_ORDER },
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
    { name: BROKEN_POLICY_NAME, order: BROKEN_POLICY_ORDER },
    "policies",
    policies.map(({ name }) => name),
    nameProblem,
  );
  for (const [i, { mode, target, mostInFlight, timeoutMs }] of policies.entries()) {
    if (mode === "utilization" && !(target !== null && target > 0 && target <= 1)) {
      throw new SnapshotError(BROKEN_POLICY_LIMIT, `policies[${i}].target`, target, "a number above 0, at most 1");
    }
    if (mode === "in-flight" && !(mostInFlight !== null && mostInFlight >= 1)) {
      throw new SnapshotError(
        BROKEN_POLICY_LIMIT,
        `policies[${i}].mostInFlight`,
        mostInFlight,
        "an integer of at least 1",
      );
    }
    checkInteger(`policies[${i}].mostInFlight`, mostInFlight, MAX_U32_VALUE);
    checkInteger(`policies[${i}].timeoutMs`, timeoutMs, MAX_U32_VALUE);
  }
  for (const [i, { place, weight }] of endpoints.entries()) {
    if (place !== undefined && !placeNames.has(place)) {
      throw new SnapshotError(BROKEN_PLACE_INDEX, `endpoints[${i}].place`, place, "the name of a listed place");
    }
    checkInteger(`endpoints[${i}].weight`, weight ?? null, MAX_U16);
  }
  for (const [i, { policy }] of models.entries()) {
    if (policy !== undefined && !policyNames.has(policy)) {
      throw new SnapshotError(BROKEN_POLICY_INDEX, `models[${i}].policy`, policy, "the name of a listed policy");
    }
  }
}

/**
 * Throws a SnapshotError at the first broken rule. Lists need no order, because the encoder sorts them, but no entry may be listed
 * twice. The rules of the header, the sections and the ranges are not checked, because the encoder always keeps these.
 */
export function checkSnapshot(view: SnapshotView): void {
  if (view.version < 1n || view.version > MAX_U64)
    throw new SnapshotError(BROKEN_VERSION, "version", view.version, "1...2^64-1");
  if (view.source < 0n || view.source > MAX_U64) throw new SnapshotError(VALID, "source", view.source, "0...2^64-1");
  checkCount(BROKEN_SECTION_RECORDS, "endpoints.length", view.endpoints.length, MAX_ENDPOINTS);
  checkCount(BROKEN_SECTION_RECORDS, "models.length", view.models.length, MAX_MODELS);

  const addresses = new Set<string>();
  for (const [i, endpoint] of view.endpoints.entries()) {
    checkEndpoint(endpoint, `endpoints[${i}]`);
    if (addresses.has(endpoint.address)) {
      throw new SnapshotError(
        BROKEN_ENDPOINT_ORDER,
        `endpoints[${i}].address`,
        endpoint.address,
        "an address that is not listed twice",
      );
    }
    addresses.add(endpoint.address);
  }

  const kinds = new Map<string, ModelView["kind"]>();
  for (const [i, model] of view.models.entries()) {
    const problem = nameProblem(model.name);
    if (problem !== null) throw new SnapshotError(BROKEN_MODEL_NAME, `models[${i}].name`, model.name, problem);
    if (kinds.has(model.name))
      throw new SnapshotError(BROKEN_MODEL_ORDER, `models[${i}].name`, model.name, "a name that is not listed twice");
    kinds.set(model.name, model.kind);
  }
  let total = 0;
  for (const [i, model] of view.models.entries()) {
    if (model.kind === "base" && model.base !== model.name) {
      throw new SnapshotError(BROKEN_MODEL_BASE, `models[${i}].base`, model.base, "a base model to name itself");
    }
    if (model.kind === "adapter" && model.base !== null && kinds.get(model.base) !== "base") {
      throw new SnapshotError(
        BROKEN_MODEL_BASE,
        `models[${i}].base`,
        model.base,
        "the name of a listed base model, or null",
      );
    }
    const served = new Set<string>();
    for (const [j, { address }] of model.endpoints.entries()) {
      if (!addresses.has(address) || served.has(address)) {
        throw new SnapshotError(
          BROKEN_SERVED_INDEX,
          `models[${i}].endpoints[${j}]`,
          address,
          "a listed endpoint, once",
        );
      }
      served.add(address);
    }
    total += served.size;
  }
  checkCount(BROKEN_MODEL_TOTAL, "models[].endpoints in all", total, MAX_MODEL_ENDPOINTS);
  checkPlaces(view);
  checkObjects(view);
  checkTokenizers(view.tokenizers ?? [], view.models);
}
