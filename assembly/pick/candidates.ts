// Which of a model's endpoints are looked at for a request. An endpoint is a candidate when it is ready, awake, not on its
// way out, and not ejected (endpoints/health.ts). Of a small pool all are.
//
// Profile "tokens" looks at a part of a pool of more than FULL_SCAN endpoints, because a full scan of a large pool herds and
// costs; the others do of one of more than MAX_SCANNED:
//   holders   the last two that were sent the longest known beginning of the prompt (endpoints/cache/last-sent.ts)
//   home      for a beginning of the prompt, the endpoint that rendezvous hashing gives: where gateways that do not hear of each
//             other meet
//   adapter   up to four on which the adapter is loaded
//   random    eight; thirty-two for the others
// The session's home is always one (session.ts).
//
// Memory: 12 bytes for each of MAX_ENDPOINTS, one list for the whole VM.
import { ADAPTER_LISTED, MODEL_ENDPOINT_STATE, MODEL_IS_ADAPTER } from "../../protocol/constants";
import { mix } from "../base/hash";
import { Random } from "../base/random";
import { FULL_SCAN, findLastSent, lastSent, sentBefore } from "../endpoints/cache/last-sent";
import { Prompt, promptHash } from "../endpoints/cache/prompt";
import { endpointHash, entryOf } from "../endpoints/entries";
import { anyTrouble, enoughLeft, isEjected } from "../endpoints/health";
import { admits, firstLink, linkCount } from "../places/range";
import { NONE, SnapshotView } from "../snapshot/view";
import { PickInput } from "./pick-input";
import { KIND_TOKENS, PICKER_TWO, Profile } from "./profile";

/** A pool of more is sampled by scorers, each of which looks at every candidate, and by profile "load". */
const MAX_SCANNED: u32 = 256;
const RANDOM_SCANNED: u32 = 32;
const RANDOM_CANDIDATES: u32 = 8;
const ADAPTER_CANDIDATES: u32 = 4;
/** Random draws for one candidate: with most of a pool down, more are given up. */
const DRAWS: u32 = 3;

const links: usize = memory.data(40960, 4);
const costs: usize = memory.data(81920, 8);
let count: u32 = 0;

export function candidateCount(): u32 {
  return count;
}
export function clearCandidates(): void {
  count = 0;
}
/** Place of a candidate in the snapshot's section of served models. */
export function candidateLink(i: u32): u32 {
  return load<u32>(links + i * 4);
}
/** The lowest wins. */
export function candidateCost(i: u32): f64 {
  return load<f64>(costs + i * 8);
}
export function setCandidateCost(i: u32, cost: f64): void {
  store<f64>(costs + i * 8, cost);
}

/** Whether ejections count for the model at hand. */
let ejections: bool = false;
let clock: u64 = 0;
/** Ejections do not count, because too many of the model's pods are ejected. */
export let panicked: bool = false;

/** May get this request: and so far as a policy for places lets it (places/range.ts). */
function admitted(view: SnapshotView, endpoint: u32): bool {
  if (!view.usable(endpoint) || !admits(view, endpoint)) return false;
  return !ejections || !isEjected(entryOf(endpoint), clock);
}

/** Makes the list of candidates for a model. */
export function findCandidates(
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  random: Random,
): void {
  count = 0;
  const first = firstLink(view, model);
  const served = linkCount(view, model);
  clock = input.now;
  const trouble = anyTrouble(clock);
  ejections = trouble && enoughLeft(view, first, served, clock);
  panicked = trouble && !ejections;
  if (profile.picker == PICKER_TWO) {
    addRandom(view, first, served, 2, random);
    if (count == 2 || served <= 2) return;
  } else if (served > (profile.kind == KIND_TOKENS ? FULL_SCAN : MAX_SCANNED)) {
    if (input.prompt) {
      const prompt = changetype<Prompt>(input.prompt);
      addHolders(view, first, served, prompt, input.seed);
      addHome(view, first, served, prompt, input.seed);
    }
    if (view.modelKind(model) == MODEL_IS_ADAPTER) addLoaded(view, first, served, random);
    addRandom(view, first, served, profile.kind == KIND_TOKENS ? RANDOM_CANDIDATES : RANDOM_SCANNED, random);
    if (count > 0) return;
  }
  count = 0;
  for (let link = first; link < first + served; link++) {
    if (admitted(view, view.linkEndpoint(link))) store<u32>(links + count++ * 4, link);
  }
}

/** Adds an endpoint, if it may get requests and is not in the list yet. */
export function addCandidate(view: SnapshotView, link: u32): void {
  if (!admitted(view, view.linkEndpoint(link))) return;
  for (let i: u32 = 0; i < count; i++) if (load<u32>(links + i * 4) == link) return;
  store<u32>(links + count++ * 4, link);
}

function addRandom(view: SnapshotView, first: u32, served: u32, wanted: u32, random: Random): void {
  const most = count + wanted;
  for (let draw: u32 = 0; draw < wanted * DRAWS && count < most; draw++) {
    addCandidate(view, first + (random.next() % served));
  }
}

function addHolders(view: SnapshotView, first: u32, served: u32, prompt: Prompt, seed: u64): void {
  findLastSent(prompt, seed);
  if (lastSent == NONE && sentBefore == NONE) return;
  for (let link = first; link < first + served; link++) {
    const endpoint = view.linkEndpoint(link);
    if (endpoint == lastSent || endpoint == sentBefore) addCandidate(view, link);
  }
}

/** The home of its first 64, 16, 4 blocks or of the first one: the most that it has. */
function addHome(view: SnapshotView, first: u32, served: u32, prompt: Prompt, seed: u64): void {
  let blocks: u32 = 64;
  while (blocks > prompt.count) blocks >>= 2;
  if (blocks == 0) return;
  const home = homeOf(view, first, served, promptHash(prompt, blocks - 1) ^ seed, NONE);
  if (home != NONE) addCandidate(view, home);
}

/** From a random place on, so that not all requests meet the same four. */
function addLoaded(view: SnapshotView, first: u32, served: u32, random: Random): void {
  const start = random.next() % served;
  const most = count + ADAPTER_CANDIDATES;
  for (let i: u32 = 0; i < served && count < most; i++) {
    const link = first + ((start + i) % served);
    if (load<u8>(view.links + link * view.linkStride, MODEL_ENDPOINT_STATE) != ADAPTER_LISTED) addCandidate(view, link);
  }
}

/** Link of the usable endpoint, but not `other`, whose hash together with `key` is the highest: every worker finds the same. */
export function homeOf(view: SnapshotView, first: u32, served: u32, key: u64, other: u32): u32 {
  let home = NONE;
  let best: u64 = 0;
  for (let link = first; link < first + served; link++) {
    const endpoint = view.linkEndpoint(link);
    const weight = mix(key ^ endpointHash(endpoint));
    if (weight <= best || link == other || !admitted(view, endpoint)) continue;
    best = weight;
    home = link;
  }
  return home;
}
