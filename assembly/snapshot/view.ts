// Accessors of a verified snapshot. Nothing is decoded: each read is a load at a known offset of the snapshot's bytes.
// protocol/README.md draws the layout. Indexes are not checked here, because verify.ts has checked all of them.
import {
  ENDPOINT_ADDRESS_LENGTH,
  ENDPOINT_ADDRESS_OFFSET,
  ENDPOINT_ASLEEP,
  ENDPOINT_DRAINING,
  ENDPOINT_FLAGS,
  ENDPOINT_KV_USAGE,
  ENDPOINT_PLACE,
  ENDPOINT_PREFILL_RATE,
  ENDPOINT_READY,
  ENDPOINT_RUNNING,
  ENDPOINT_SCRAPE_AGE,
  ENDPOINT_SEQUENCE,
  ENDPOINT_STEP,
  ENDPOINT_WAITING,
  ENDPOINT_WEIGHT,
  HEADER_COMPLETE,
  HEADER_ENVOYS,
  HEADER_FLAGS,
  HEADER_SOURCE,
  HEADER_VERSION,
  MODEL_BASE,
  MODEL_COUNT,
  MODEL_ENDPOINT_INDEX,
  MODEL_FIRST,
  MODEL_KIND,
  MODEL_NAME_LENGTH,
  MODEL_NAME_OFFSET,
  MODEL_POLICY,
  PLACE_NAME_LENGTH,
  PLACE_NAME_OFFSET,
  PLACE_ORDER,
  PLACE_ROUND_TRIP,
  PLACE_WEIGHT,
  POLICY_FLAGS,
  POLICY_MAX_IN_FLIGHT,
  POLICY_MODE,
  POLICY_NAME_LENGTH,
  POLICY_NAME_OFFSET,
  POLICY_TARGET,
  POLICY_TIMEOUT,
} from "../../protocol/constants";

export const NONE: u32 = 0xffffffff;

/** Address, number of records and stride of a section. SnapshotView has these three fields for each section, in this order. */
@unmanaged
export class SectionOfView {
  start: usize = 0;
  records: u32 = 0;
  stride: u32 = 0;
}

/** A view of a snapshot's bytes. If the snapshot does not have a section, the section's fields are 0. */
@unmanaged
export class SnapshotView {
  base: usize = 0;
  bytes: u32 = 0;

  strings: usize = 0;
  stringBytes: u32 = 0;
  stringStride: u32 = 0;

  endpoints: usize = 0;
  endpointCount: u32 = 0;
  endpointStride: u32 = 0;

  models: usize = 0;
  modelCount: u32 = 0;
  modelStride: u32 = 0;

  /** Section MODEL_ENDPOINTS. Each record is a link, which says that an endpoint serves a model. */
  links: usize = 0;
  linkCount: u32 = 0;
  linkStride: u32 = 0;

  places: usize = 0;
  placeCount: u32 = 0;
  placeStride: u32 = 0;

  policies: usize = 0;
  policyCount: u32 = 0;
  policyStride: u32 = 0;

  pools: usize = 0;
  poolCount: u32 = 0;
  poolStride: u32 = 0;

  objectives: usize = 0;
  objectiveCount: u32 = 0;
  objectiveStride: u32 = 0;

  rules: usize = 0;
  ruleCount: u32 = 0;
  ruleStride: u32 = 0;

  /** Section REMOTE: counts of other Envoys, with a record for each endpoint. */
  remote: usize = 0;
  remoteCount: u32 = 0;
  remoteStride: u32 = 0;

  /** Section PREFIXES: prefix records of other Envoys, in words of 8 bytes. */
  prefixes: usize = 0;
  prefixWords: u32 = 0;
  prefixStride: u32 = 0;

  /** Section TOKENIZERS: how many tokens a prompt has, for each base model that this is learned of. */
  tokenizers: usize = 0;
  tokenizerCount: u32 = 0;
  tokenizerStride: u32 = 0;

  /** Section CACHED: blocks for workers whose prefix index is empty, in words of 8 bytes. */
  cached: usize = 0;
  cachedWords: u32 = 0;
  cachedStride: u32 = 0;

  /** Forgets the last snapshot. */
  clear(): void {
    memory.fill(changetype<usize>(this), 0, offsetof<SnapshotView>());
  }

  get version(): u64 {
    return load<u64>(this.base, HEADER_VERSION);
  }
  get source(): u64 {
    return load<u64>(this.base, HEADER_SOURCE);
  }
  get complete(): bool {
    return (load<u32>(this.base, HEADER_FLAGS) & HEADER_COMPLETE) != 0;
  }
  /** Number of other Envoys whose requests `remote` sums up. */
  get envoys(): u32 {
    return load<u32>(this.base, HEADER_ENVOYS);
  }

  endpoint(index: u32): usize {
    return this.endpoints + index * this.endpointStride;
  }
  address(index: u32): usize {
    return this.strings + load<u32>(this.endpoint(index), ENDPOINT_ADDRESS_OFFSET);
  }
  addressLength(index: u32): u32 {
    return load<u16>(this.endpoint(index), ENDPOINT_ADDRESS_LENGTH);
  }
  flags(index: u32): u32 {
    return load<u16>(this.endpoint(index), ENDPOINT_FLAGS);
  }
  /** Whether an endpoint may get requests: it is ready, not draining, and awake. */
  usable(index: u32): bool {
    return (this.flags(index) & (ENDPOINT_READY | ENDPOINT_DRAINING | ENDPOINT_ASLEEP)) == ENDPOINT_READY;
  }
  waiting(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_WAITING);
  }
  running(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_RUNNING);
  }
  kvUsage(index: u32): f32 {
    return load<f32>(this.endpoint(index), ENDPOINT_KV_USAGE);
  }
  scrapeAge(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_SCRAPE_AGE);
  }

  /** Uncached prompt tokens that the endpoint prefills each second; 0: not learned. */
  prefillRate(index: u32): f32 {
    return load<f32>(this.endpoint(index), ENDPOINT_PREFILL_RATE);
  }
  /** Seconds of an engine step without its prefill and its sequences; 0: not learned. */
  stepSeconds(index: u32): f32 {
    return load<f32>(this.endpoint(index), ENDPOINT_STEP);
  }
  /** Seconds that one more running sequence adds to an engine step; 0: not learned. */
  sequenceSeconds(index: u32): f32 {
    return load<f32>(this.endpoint(index), ENDPOINT_SEQUENCE);
  }

  tokenizer(index: u32): usize {
    return this.tokenizers + index * this.tokenizerStride;
  }

  model(index: u32): usize {
    return this.models + index * this.modelStride;
  }
  modelName(index: u32): usize {
    return this.strings + load<u32>(this.model(index), MODEL_NAME_OFFSET);
  }
  modelNameLength(index: u32): u32 {
    return load<u16>(this.model(index), MODEL_NAME_LENGTH);
  }
  modelKind(index: u32): u32 {
    return load<u16>(this.model(index), MODEL_KIND);
  }
  /** Index of a model's base model; NONE if the base model is not listed. */
  modelBase(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_BASE);
  }
  modelFirst(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_FIRST);
  }
  modelEndpoints(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_COUNT);
  }
  /** Index of the endpoint of a link; `link` is an index into MODEL_ENDPOINTS. */
  linkEndpoint(link: u32): u32 {
    return load<u32>(this.links + link * this.linkStride, MODEL_ENDPOINT_INDEX);
  }

  /** Index of the endpoint's place; NONE if it has no place. */
  endpointPlace(index: u32): u32 {
    return load<u32>(this.endpoint(index), ENDPOINT_PLACE) - 1;
  }
  /** Number of pods that the endpoint stands for. */
  endpointWeight(index: u32): u32 {
    const weight: u32 = load<u16>(this.endpoint(index), ENDPOINT_WEIGHT);
    return weight == 0 ? 1 : weight;
  }
  place(index: u32): usize {
    return this.places + index * this.placeStride;
  }
  placeName(index: u32): usize {
    return this.strings + load<u32>(this.place(index), PLACE_NAME_OFFSET);
  }
  placeNameLength(index: u32): u32 {
    return load<u16>(this.place(index), PLACE_NAME_LENGTH);
  }
  placeOrder(index: u32): u32 {
    return load<u32>(this.place(index), PLACE_ORDER);
  }
  placeRoundTrip(index: u32): u32 {
    return load<u32>(this.place(index), PLACE_ROUND_TRIP);
  }
  placeWeight(index: u32): u32 {
    return load<u32>(this.place(index), PLACE_WEIGHT);
  }

  /** Index of the model's policy; NONE if it has no policy. */
  modelPolicy(index: u32): u32 {
    return load<u32>(this.model(index), MODEL_POLICY) - 1;
  }
  policy(index: u32): usize {
    return this.policies + index * this.policyStride;
  }
  policyName(index: u32): usize {
    return this.strings + load<u32>(this.policy(index), POLICY_NAME_OFFSET);
  }
  policyNameLength(index: u32): u32 {
    return load<u16>(this.policy(index), POLICY_NAME_LENGTH);
  }
  policyMode(index: u32): u32 {
    return load<u8>(this.policy(index), POLICY_MODE);
  }
  policyFlags(index: u32): u32 {
    return load<u8>(this.policy(index), POLICY_FLAGS);
  }
  policyTarget(index: u32): f32 {
    return load<f32>(this.policy(index), POLICY_TARGET);
  }
  policyMaxInFlight(index: u32): u32 {
    return load<u32>(this.policy(index), POLICY_MAX_IN_FLIGHT);
  }
  /** Milliseconds that a response may take under the policy; 0: Envoy's route decides. */
  policyTimeout(index: u32): u32 {
    return load<u32>(this.policy(index), POLICY_TIMEOUT);
  }
}

export function newView(): SnapshotView {
  const pointer = heap.alloc(offsetof<SnapshotView>());
  memory.fill(pointer, 0, offsetof<SnapshotView>());
  return changetype<SnapshotView>(pointer);
}
