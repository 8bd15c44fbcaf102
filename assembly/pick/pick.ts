// The pick: which endpoint gets a request, and two fallbacks. A pure function of the snapshot, of what is counted, of the
// clock and of the random source: candidates (candidates.ts), then their costs by the policy (load-cost.ts, token-cost.ts, scorers.ts),
// then the picker. The lowest wins.
//
//   max-score        x = cost + random * TIE         costs closer than TIE are equal, decided at random
//   p2c              the same, of two random candidates
//   weighted-random  x = -ln(random) / weight        weight = score, or 1 / cost: picked in proportion to it (A-Res)
//   random           x = random
//
// TIE: a tenth of a request, 8 tokens, or next to nothing of a score.

import { Random } from "../base/random";
import { anyTrouble, weighCandidates } from "../endpoints/health";
import { NONE, SnapshotView } from "../snapshot/view";
import {
  candidateCost,
  candidateCount,
  candidateLink,
  clearCandidates,
  findCandidates,
  setCandidateCost,
} from "./candidates";
import { loadCosts } from "./load-cost";
import { PickInput } from "./pick-input";
import { KIND_LOAD, KIND_SCORERS, KIND_TOKENS, PICKER_RANDOM, PICKER_WEIGHTED, Profile } from "./profile";
import { scorerCosts } from "./scorers";
import { findHome, kept, preferHome, sessionHome } from "./session";
import { tokenCosts } from "./token-cost";

const TIE_REQUESTS: f64 = 0.1;
const TIE_TOKENS: f64 = 8;
const TIE_SCORE: f64 = 1e-9;
/** Weights of costs: one that costs this much more than nothing gets half of the requests of one that costs nothing. */
const HALF_REQUESTS: f64 = 1;
const HALF_TOKENS: f64 = 400;
/** The pick and two fallbacks: what override_host tries in turn. */
export const MAX_PICKS: u32 = 3;

@unmanaged
export class Choice {
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
  firstCost: f64 = 0;
  secondCost: f64 = 0;
  thirdCost: f64 = 0;
}

export function newChoice(): Choice {
  return changetype<Choice>(heap.alloc(offsetof<Choice>()));
}

/** Fills `picks` with up to three different endpoints of the model, best first. */
export function pick(
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  random: Random,
  choice: Choice,
): void {
  findCandidates(view, model, profile, input, random);
  findHome(view, model, input);
  pickAmong(view, model, profile, input, random, choice);
}

/** The same, of the candidates that are in the list. */
export function pickAmong(
  view: SnapshotView,
  model: u32,
  profile: Profile,
  input: PickInput,
  random: Random,
  choice: Choice,
): void {
  begin(choice);
  costCandidates(view, model, profile, input);
  if (anyTrouble(input.now)) weighCandidates(view, profile, input.now);
  preferHome(profile);
  applyPicker(profile, random);
  for (let i: u32 = 0; i < candidateCount(); i++) offer(choice, view.linkEndpoint(candidateLink(i)), candidateCost(i));
}

/** The one endpoint that can answer. */
export function pickOnly(choice: Choice, endpoint: u32): void {
  begin(choice);
  clearCandidates();
  offer(choice, endpoint, 0);
}

/** Costs of all candidates in the list, before the picker. */
export function costCandidates(view: SnapshotView, model: u32, profile: Profile, input: PickInput): void {
  if (profile.kind == KIND_TOKENS) tokenCosts(view, model, profile, input);
  else if (profile.kind == KIND_LOAD) loadCosts(view, profile, input);
  else scorerCosts(view, profile, input, sessionHome());
}

function applyPicker(profile: Profile, random: Random): void {
  const count = candidateCount();
  const kind = profile.kind;
  const picker = profile.picker;
  const tie = kind == KIND_LOAD ? TIE_REQUESTS : kind == KIND_TOKENS ? TIE_TOKENS : TIE_SCORE;
  for (let i: u32 = 0; i < count; i++) {
    const cost = candidateCost(i);
    // A session's home stays first whatever the picker.
    if (kept && cost < 0) continue;
    const draw = <f64>random.fraction();
    if (picker == PICKER_RANDOM) setCandidateCost(i, draw);
    else if (picker == PICKER_WEIGHTED) setCandidateCost(i, weightedKey(profile, cost, draw));
    else setCandidateCost(i, cost + draw * tie);
  }
}

/** A score of nothing comes after all others, in random order. */
function weightedKey(profile: Profile, cost: f64, draw: f64): f64 {
  const kind = profile.kind;
  let weight: f64;
  if (kind == KIND_SCORERS) weight = profile.best - cost;
  else weight = 1 / (1 + cost / (kind == KIND_LOAD ? HALF_REQUESTS : HALF_TOKENS));
  return weight > 1e-12 ? -Math.log(max(draw, 1e-10)) / weight : 1e18 * (1 + draw);
}

function begin(choice: Choice): void {
  choice.count = 0;
  choice.first = NONE;
  choice.second = NONE;
  choice.third = NONE;
  choice.firstCost = Infinity;
  choice.secondCost = Infinity;
  choice.thirdCost = Infinity;
}

/** Keeps the three cheapest. */
function offer(choice: Choice, endpoint: u32, x: f64): void {
  if (x < choice.firstCost) {
    choice.third = choice.second;
    choice.thirdCost = choice.secondCost;
    choice.second = choice.first;
    choice.secondCost = choice.firstCost;
    choice.first = endpoint;
    choice.firstCost = x;
  } else if (x < choice.secondCost) {
    choice.third = choice.second;
    choice.thirdCost = choice.secondCost;
    choice.second = endpoint;
    choice.secondCost = x;
  } else if (x < choice.thirdCost) {
    choice.third = endpoint;
    choice.thirdCost = x;
  } else return;
  if (choice.count < MAX_PICKS) choice.count++;
}
