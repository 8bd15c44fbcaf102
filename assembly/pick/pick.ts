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
import { KIND_LOAD, KIND_SCORERS, KIND_TOKENS, PICKER_RANDOM, PICKER_WEIGHTED, Policy } from "./policy";
import { scorerCosts } from "./scorers";
import { findHome, kept, preferHome, sessionHome } from "./session";
import { tokenCosts } from "./token-cost";
import { Work } from "./work";

const TIE_REQUESTS: f64 = 0.1;
const TIE_TOKENS: f64 = 8;
const TIE_SCORE: f64 = 1e-9;
/** Weights of costs: one that costs this much more than nothing gets half of the requests of one that costs nothing. */
const HALF_REQUESTS: f64 = 1;
const HALF_TOKENS: f64 = 400;
/** The pick and two fallbacks: what override_host tries in turn. */
export const MOST_PICKS: u32 = 3;

@unmanaged
export class Picks {
  count: u32 = 0;
  first: u32 = 0;
  second: u32 = 0;
  third: u32 = 0;
  firstCost: f64 = 0;
  secondCost: f64 = 0;
  thirdCost: f64 = 0;
}

export function newPicks(): Picks {
  return changetype<Picks>(heap.alloc(offsetof<Picks>()));
}

/** Fills `picks` with up to three different endpoints of the model, best first. */
export function pick(view: SnapshotView, model: u32, policy: Policy, work: Work, random: Random, picks: Picks): void {
  findCandidates(view, model, policy, work, random);
  findHome(view, model, work);
  pickAmong(view, model, policy, work, random, picks);
}

/** The same, of the candidates that are in the list. */
export function pickAmong(
  view: SnapshotView,
  model: u32,
  policy: Policy,
  work: Work,
  random: Random,
  picks: Picks,
): void {
  begin(picks);
  costCandidates(view, model, policy, work);
  if (anyTrouble(work.now)) weighCandidates(view, policy, work.now);
  preferHome(policy);
  applyPicker(policy, random);
  for (let i: u32 = 0; i < candidateCount(); i++) offer(picks, view.linkEndpoint(candidateLink(i)), candidateCost(i));
}

/** The one endpoint that can answer. */
export function pickOnly(picks: Picks, endpoint: u32): void {
  begin(picks);
  clearCandidates();
  offer(picks, endpoint, 0);
}

/** Costs of all candidates in the list, before the picker. */
export function costCandidates(view: SnapshotView, model: u32, policy: Policy, work: Work): void {
  if (policy.kind == KIND_TOKENS) tokenCosts(view, model, policy, work);
  else if (policy.kind == KIND_LOAD) loadCosts(view, policy, work);
  else scorerCosts(view, policy, work, sessionHome());
}

function applyPicker(policy: Policy, random: Random): void {
  const count = candidateCount();
  const kind = policy.kind;
  const picker = policy.picker;
  const tie = kind == KIND_LOAD ? TIE_REQUESTS : kind == KIND_TOKENS ? TIE_TOKENS : TIE_SCORE;
  for (let i: u32 = 0; i < count; i++) {
    const cost = candidateCost(i);
    // A session's home stays first whatever the picker.
    if (kept && cost < 0) continue;
    const draw = <f64>random.fraction();
    if (picker == PICKER_RANDOM) setCandidateCost(i, draw);
    else if (picker == PICKER_WEIGHTED) setCandidateCost(i, weightedKey(policy, cost, draw));
    else setCandidateCost(i, cost + draw * tie);
  }
}

/** A score of nothing comes after all others, in random order. */
function weightedKey(policy: Policy, cost: f64, draw: f64): f64 {
  const kind = policy.kind;
  let weight: f64;
  if (kind == KIND_SCORERS) weight = policy.best - cost;
  else weight = 1 / (1 + cost / (kind == KIND_LOAD ? HALF_REQUESTS : HALF_TOKENS));
  return weight > 1e-12 ? -Math.log(max(draw, 1e-10)) / weight : 1e18 * (1 + draw);
}

function begin(picks: Picks): void {
  picks.count = 0;
  picks.first = NONE;
  picks.second = NONE;
  picks.third = NONE;
  picks.firstCost = Infinity;
  picks.secondCost = Infinity;
  picks.thirdCost = Infinity;
}

/** Keeps the three cheapest. */
function offer(picks: Picks, endpoint: u32, x: f64): void {
  if (x < picks.firstCost) {
    picks.third = picks.second;
    picks.thirdCost = picks.secondCost;
    picks.second = picks.first;
    picks.secondCost = picks.firstCost;
    picks.first = endpoint;
    picks.firstCost = x;
  } else if (x < picks.secondCost) {
    picks.third = picks.second;
    picks.thirdCost = picks.secondCost;
    picks.second = endpoint;
    picks.secondCost = x;
  } else if (x < picks.thirdCost) {
    picks.third = endpoint;
    picks.thirdCost = x;
  } else return;
  if (picks.count < MOST_PICKS) picks.count++;
}
