// The pick: which endpoint gets a request, and two fallbacks. Its arguments are the snapshot, the model, the profile, what is known
// of the request, the range and the random source. It reads what is known of the endpoints (endpoints/), and returns a Choice:
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

/** The pick and two fallbacks, which override_host tries in turn. */
const MAX_CHOSEN: u32 = 3;

@unmanaged
export class Choice {
  /** Endpoints of the snapshot, the best first; NONE behind the last. */
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
  firstKey: f64 = 0;
  secondKey: f64 = 0;
  thirdKey: f64 = 0;
  /** SESSION_... (session.ts). */
  session: u32 = 0;
  /** Ejections were ignored, because too many of the model's endpoints are ejected. */
  panic: bool = false;
  /** Tokens of the prompt that `first` has to prefill; 0 under profile "load", which does not look at prompts. */
  uncached: i32 = 0;
  /** The candidates among which it was chosen (explain.ts). */
  candidates: Candidates = changetype<Candidates>(0);
}

// One pick at a time: these two records are all the memory of a pick.
const choice = changetype<Choice>(memory.data(offsetof<Choice>(), 8));
const candidates = changetype<Candidates>(memory.data(CANDIDATES_BYTES, 8));

/** Up to three different endpoints of the model within the range, best first. The choice is valid until the next pick. */
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

/** The choice of the one endpoint that can answer, in the same form. */
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

/** An endpoint that was ejected or is new comes back slowly: its weight divides its cost, or multiplies its score. */
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

/** Keeps the three lowest keys. */
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
