// Picks the endpoint that gets a request, and two fallbacks. pick() gets the snapshot, the model, the profile, the request's
// PickInput, the range and the random source. It reads what endpoints/ knows of the endpoints, and returns a Choice:
//
//   candidates (candidates.ts) -> a cost for each (load-cost.ts, token-cost.ts, scorers.ts) -> the session's home first, where
//   its load allows (session.ts) -> the picker's key (picker.ts) -> the three candidates with the lowest keys
import { Random } from "../base/random";
import { entryOf } from "../endpoints/entries";
import { anyTrouble, weightOf } from "../endpoints/health";
import { Range, wholeModel } from "../places/range";
import { NONE, SnapshotView } from "../snapshot/view";
import { beginCandidates, CANDIDATES_BYTES, Candidates, findCandidates } from "./candidates";
import { loadCosts } from "./load-cost";
import { PickInput } from "./pick-input";
import { applyPicker } from "./picker";
import { KIND_LOAD, KIND_SCORERS, KIND_TOKENS, Profile } from "./profile";
import { scorerCosts } from "./scorers";
import { findHomes, preferHome, SESSION_AT_HOME, SESSION_NONE } from "./session";
import { tokenCosts, uncachedTokens } from "./token-cost";

/** The picked endpoint and two fallbacks, which override_host tries in turn. */
const MAX_CHOSEN: u32 = 3;

@unmanaged
export class Choice {
  /** Number of chosen endpoints. `first` is the best. Each is an index in the snapshot; unused fields are NONE. */
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
  firstKey: f64 = 0;
  secondKey: f64 = 0;
  thirdKey: f64 = 0;
  /** One of SESSION_NONE, SESSION_AT_HOME and SESSION_AWAY (session.ts). */
  session: u32 = 0;
  /** Whether ejections were ignored because too many endpoints of the range are ejected. */
  panic: bool = false;
  /** Uncached tokens of the prompt on `first`; 0 under profile "load", which does not use prompts. */
  uncached: i32 = 0;
  /** The candidates of the pick, for explain.ts. */
  candidates: Candidates = changetype<Candidates>(0);
}

// A VM makes one pick at a time, so these two records are all the memory that picks need.
const choice = changetype<Choice>(memory.data(offsetof<Choice>(), 8));
const candidates = changetype<Candidates>(memory.data(CANDIDATES_BYTES, 8));

/** Picks up to three different endpoints of the model within the range. The choice is valid until the next pick. */
export function pick(
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  range: Range,
  random: Random,
): Choice {
  begin(view, model, range, input);
  findCandidates(candidates, profile, input, random);
  findHomes(candidates, input);
  costCandidates(candidates, profile, input);
  if (anyTrouble(input.now)) weighCandidates(candidates, profile);
  choice.session = preferHome(candidates, profile);
  applyPicker(candidates, profile, choice.session == SESSION_AT_HOME, random);
  for (let i: u32 = 0; i < candidates.count; i++) offer(candidates.endpoint(i), candidates.cost(i));
  return finish(profile, input);
}

/** Makes a Choice of the only endpoint that can answer. */
export function pickOnly(view: SnapshotView, model: u32, profile: Profile, input: PickInput, endpoint: u32): Choice {
  begin(view, model, wholeModel(view, model), input);
  offer(endpoint, 0);
  return finish(profile, input);
}

/** Gives every candidate its cost. */
export function costCandidates(candidates: Candidates, profile: Profile, input: PickInput): void {
  if (profile.kind == KIND_TOKENS) tokenCosts(candidates, profile, input);
  else if (profile.kind == KIND_LOAD) loadCosts(candidates, profile, input);
  else scorerCosts(candidates, profile, input);
}

/** Applies the weights of new and returning endpoints (endpoints/health.ts). A weight divides a cost, or multiplies a score. */
function weighCandidates(candidates: Candidates, profile: Profile): void {
  for (let i: u32 = 0; i < candidates.count; i++) {
    const weight = weightOf(entryOf(candidates.endpoint(i)), candidates.now);
    if (weight == 1) continue;
    const cost = candidates.cost(i);
    if (profile.kind == KIND_SCORERS) candidates.setCost(i, profile.best - (profile.best - cost) * weight);
    else candidates.setCost(i, cost / weight);
  }
}

function begin(view: SnapshotView, model: u32, range: Range, input: PickInput): void {
  beginCandidates(candidates, view, model, range, input.now);
  choice.count = 0;
  choice.first = NONE;
  choice.second = NONE;
  choice.third = NONE;
  choice.firstKey = Infinity;
  choice.secondKey = Infinity;
  choice.thirdKey = Infinity;
  choice.session = SESSION_NONE;
}

function finish(profile: Profile, input: PickInput): Choice {
  const read = choice.count > 0 && profile.kind != KIND_LOAD;
  choice.uncached = read ? uncachedTokens(input, entryOf(choice.first)) : 0;
  choice.panic = candidates.panic;
  choice.candidates = candidates;
  return choice;
}

/** Offers an endpoint to the choice, which keeps the three endpoints with the lowest keys. */
function offer(endpoint: u32, key: f64): void {
  if (key < choice.firstKey) {
    choice.third = choice.second;
    choice.thirdKey = choice.secondKey;
    choice.second = choice.first;
    choice.secondKey = choice.firstKey;
    choice.first = endpoint;
    choice.firstKey = key;
  } else if (key < choice.secondKey) {
    choice.third = choice.second;
    choice.thirdKey = choice.secondKey;
    choice.second = endpoint;
    choice.secondKey = key;
  } else if (key < choice.thirdKey) {
    choice.third = endpoint;
    choice.thirdKey = key;
  } else return;
  if (choice.count < MAX_CHOSEN) choice.count++;
}
