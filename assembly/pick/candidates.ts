// The endpoints of a model that a pick compares. An endpoint may be a candidate if it is usable (ready, awake, not draining), not
// ejected (endpoints/health.ts), and within the pick's range (places/range.ts).
//
// In a small pool all such endpoints are candidates. Profile "tokens" samples a pool of more than FULL_SCAN endpoints, because a
// full scan of a large pool costs time and makes workers choose alike. Other profiles sample a pool of more than MAX_SCANNED:
//   last sent  the last two endpoints that were sent the longest known beginning of the prompt (endpoints/cache/last-sent.ts)
//   home       the endpoint that rendezvous hashing gives for a beginning of the prompt: gateways without contact to each other
//              find the same endpoint
//   adapter    up to four endpoints on which the adapter is loaded
//   random     eight random endpoints; thirty-two for the other profiles
// The session's homes are always candidates (session.ts).
import { ADAPTER_LISTED, MAX_ENDPOINTS, MODEL_IS_ADAPTER } from "../../protocol/constants";
import { mix } from "../base/hash";
import { Random } from "../base/random";
import { linkState } from "../endpoints/adapters";
import { FULL_SCAN, findLastSent } from "../endpoints/cache/last-sent";
import { Prompt, promptHash } from "../endpoints/cache/prompt";
import { USUAL_RATE } from "../endpoints/costs";
import { endpointHash, entryOf } from "../endpoints/entries";
import { anyTrouble, isEjected } from "../endpoints/health";
import { Range } from "../places/range";
import { NONE, SnapshotView } from "../snapshot/view";
import { PickInput } from "./pick-input";
import { KIND_TOKENS, PICKER_TWO, Profile } from "./profile";

const MAX_SCANNED: u32 = 256;
const RANDOM_SCANNED: u32 = 32;
const RANDOM_CANDIDATES: u32 = 8;
const ADAPTER_CANDIDATES: u32 = 4;
/** Random draws for each wanted candidate. When most of a pool is down, fewer candidates are found. */
const DRAWS: u32 = 3;

/** The candidates of one pick, with their costs and scores. A candidate's index is the same in all lists. */
@unmanaged
export class Candidates {
  view: SnapshotView = changetype<SnapshotView>(0);
  model: u32 = 0;
  range: Range = changetype<Range>(0);
  /** Nanoseconds since the epoch. */
  now: u64 = 0;
  count: u32 = 0;
  /** Links of the session's homes; NONE: the session has no such home (session.ts). */
  home: u32 = 0;
  secondHome: u32 = 0;
  /** Link of the prompt's home, if it was looked for; NONE: it was not, or there is none. */
  promptHome: u32 = 0;
  /** Mean prefill rate of the candidates, tokens a second (profile "tokens"). A cost in tokens is a time at this rate. */
  rate: f32 = 0;
  /** Whether ejected endpoints are excluded. */
  heedsEjections: bool = false;
  /** Whether ejected endpoints are candidates because too many endpoints of the range are ejected. */
  panic: bool = false;

  /** The candidate's link: an index into the snapshot's section MODEL_ENDPOINTS. */
  link(i: u32): u32 {
    return load<u32>(changetype<usize>(this) + i * 4, LINKS);
  }
  endpoint(i: u32): u32 {
    return this.view.linkEndpoint(this.link(i));
  }
  /** The candidate's cost. The lowest cost wins. */
  cost(i: u32): f64 {
    return load<f64>(changetype<usize>(this) + i * 8, COSTS);
  }
  setCost(i: u32, cost: f64): void {
    store<f64>(changetype<usize>(this) + i * 8, cost, COSTS);
  }
  /** The candidate's score from the scorer that was applied last (scorers.ts). */
  score(i: u32): f64 {
    return load<f64>(changetype<usize>(this) + i * 8, SCORES);
  }
  setScore(i: u32, score: f64): void {
    store<f64>(changetype<usize>(this) + i * 8, score, SCORES);
  }
  append(link: u32): void {
    store<u32>(changetype<usize>(this) + this.count++ * 4, link, LINKS);
  }
}

// Three lists follow the record: an f64 cost, an f64 score and a u32 link for each candidate.
const COSTS: u32 = (<u32>offsetof<Candidates>() + 7) & ~7;
const SCORES: u32 = COSTS + MAX_ENDPOINTS * 8;
const LINKS: u32 = SCORES + MAX_ENDPOINTS * 8;
/** Bytes of a record with its lists. */
export const CANDIDATES_BYTES: u32 = LINKS + MAX_ENDPOINTS * 4;

/** Begins a pick, without candidates. */
export function beginCandidates(candidates: Candidates, view: SnapshotView, model: u32, range: Range, now: u64): void {
  candidates.view = view;
  candidates.model = model;
  candidates.range = range;
  candidates.now = now;
  candidates.count = 0;
  candidates.home = NONE;
  candidates.secondHome = NONE;
  candidates.promptHome = NONE;
  candidates.rate = USUAL_RATE;
  candidates.heedsEjections = false;
  candidates.panic = false;
}

/** Finds the candidates for a request, after beginCandidates(). */
export function findCandidates(candidates: Candidates, profile: Profile, input: PickInput, random: Random): void {
  const view = candidates.view;
  const first = candidates.range.first;
  const served = candidates.range.count;
  const trouble = anyTrouble(candidates.now);
  candidates.heedsEjections = trouble && enoughLeft(candidates);
  candidates.panic = trouble && !candidates.heedsEjections;
  if (profile.picker == PICKER_TWO) {
    addRandom(candidates, 2, random);
    if (candidates.count == 2 || served <= 2) return;
  } else if (served > (profile.kind == KIND_TOKENS ? FULL_SCAN : MAX_SCANNED)) {
    if (input.prompt) {
      const prompt = changetype<Prompt>(input.prompt);
      addLastSent(candidates, prompt, input.seed);
      addHome(candidates, prompt, input.seed);
    }
    if (view.modelKind(candidates.model) == MODEL_IS_ADAPTER) addLoaded(candidates, random);
    addRandom(candidates, profile.kind == KIND_TOKENS ? RANDOM_CANDIDATES : RANDOM_SCANNED, random);
    if (candidates.count > 0) return;
  }
  candidates.count = 0;
  for (let link = first; link < first + served; link++) {
    if (mayServe(candidates, view.linkEndpoint(link))) candidates.append(link);
  }
}

/** Whether at least half of the range's usable endpoints are not ejected. Only then ejections count. */
function enoughLeft(candidates: Candidates): bool {
  const view = candidates.view;
  const first = candidates.range.first;
  const end = first + candidates.range.count;
  let usable: u32 = 0;
  let left: u32 = 0;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (!view.usable(endpoint)) continue;
    usable++;
    if (!isEjected(entryOf(endpoint), candidates.now)) left++;
  }
  return left * 2 >= usable;
}

function mayServe(candidates: Candidates, endpoint: u32): bool {
  const view = candidates.view;
  if (!view.usable(endpoint) || !candidates.range.admits(view, endpoint)) return false;
  return !candidates.heedsEjections || !isEjected(entryOf(endpoint), candidates.now);
}

/** Adds a link's endpoint if it may serve the request and is no candidate yet. */
export function addCandidate(candidates: Candidates, link: u32): void {
  if (!mayServe(candidates, candidates.view.linkEndpoint(link))) return;
  for (let i: u32 = 0; i < candidates.count; i++) if (candidates.link(i) == link) return;
  candidates.append(link);
}

function addRandom(candidates: Candidates, wanted: u32, random: Random): void {
  const range = candidates.range;
  const end = candidates.count + wanted;
  for (let draw: u32 = 0; draw < wanted * DRAWS && candidates.count < end; draw++) {
    addCandidate(candidates, range.first + (random.next() % range.count));
  }
}

function addLastSent(candidates: Candidates, prompt: Prompt, seed: u64): void {
  const sent = findLastSent(prompt, seed);
  if (sent.last == NONE && sent.before == NONE) return;
  const view = candidates.view;
  const last = sent.last;
  const before = sent.before;
  const first = candidates.range.first;
  const end = first + candidates.range.count;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    if (endpoint == last || endpoint == before) addCandidate(candidates, link);
  }
}

function addHome(candidates: Candidates, prompt: Prompt, seed: u64): void {
  findPromptHome(candidates, prompt, seed);
  if (candidates.promptHome != NONE) addCandidate(candidates, candidates.promptHome);
}

/** Number of blocks of the beginning that gives a prompt its home: 64, 16, 4 or 1, as many as the prompt has; 0: it has no block. */
export function homeBlocks(prompt: Prompt): u32 {
  let blocks: u32 = 64;
  while (blocks > prompt.count) blocks >>= 2;
  return blocks;
}

/** Sets `promptHome`. Gateways without contact to each other find the same home. */
export function findPromptHome(candidates: Candidates, prompt: Prompt, seed: u64): void {
  const blocks = homeBlocks(prompt);
  if (candidates.promptHome != NONE || blocks == 0) return;
  candidates.promptHome = homeOf(candidates, promptHash(prompt, blocks - 1) ^ seed, NONE);
}

/** Adds endpoints that have loaded the adapter. The search begins at a random link, so that requests find different endpoints. */
function addLoaded(candidates: Candidates, random: Random): void {
  const view = candidates.view;
  const range = candidates.range;
  const start = random.next() % range.count;
  const end = candidates.count + ADAPTER_CANDIDATES;
  for (let i: u32 = 0; i < range.count && candidates.count < end; i++) {
    const link = range.first + ((start + i) % range.count);
    const state = linkState(view, link);
    if (state != ADAPTER_LISTED) addCandidate(candidates, link);
  }
}

/**
 * The home of `key` by rendezvous hashing. Of the endpoints that may serve the request, the home has the highest hash with `key`.
 * Every worker finds the same home. Returns its link; NONE: no endpoint may serve. The link `other` is excluded.
 */
export function homeOf(candidates: Candidates, key: u64, other: u32): u32 {
  const view = candidates.view;
  const first = candidates.range.first;
  const end = first + candidates.range.count;
  let home = NONE;
  let best: u64 = 0;
  for (let link = first; link < end; link++) {
    const endpoint = view.linkEndpoint(link);
    const weight = mix(key ^ endpointHash(endpoint));
    if (weight <= best || link == other || !mayServe(candidates, endpoint)) continue;
    best = weight;
    home = link;
  }
  return home;
}
