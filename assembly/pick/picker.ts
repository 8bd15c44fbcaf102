// Pickers: how the winner is chosen once each candidate has a cost. Each replaces the cost by a key; the lowest key wins.
//
//   max-score-picker        key = cost + random * TIE       costs closer than TIE are equal, decided at random
//   p2c-picker              the same, of two random candidates (candidates.ts)
//   weighted-random-picker  key = -ln(random) / weight      weight = score, or 1 / cost: picked in proportion to it. Source:
//                                                           Efraimidis and Spirakis, algorithm A-Res
//   random-picker           key = random
//
// TIE: a tenth of a request, 8 tokens, or next to nothing of a score.
import { Random } from "../base/random";
import { Candidates } from "./candidates";
import { KIND_LOAD, KIND_SCORERS, KIND_TOKENS, PICKER_RANDOM, PICKER_WEIGHTED, Profile } from "./profile";

const TIE_REQUESTS: f64 = 0.1;
const TIE_TOKENS: f64 = 8;
const TIE_SCORE: f64 = 1e-9;
/** Weights of costs: a candidate with this cost gets half of the requests that a candidate without cost gets. */
const HALF_REQUESTS: f64 = 1;
const HALF_TOKENS: f64 = 400;

/** Replaces the candidates' costs by the picker's keys. `kept`: the session's home has the cost -1 and stays first. */
export function applyPicker(candidates: Candidates, profile: Profile, kept: bool, random: Random): void {
  const count = candidates.count;
  const kind = profile.kind;
  const picker = profile.picker;
  const tie = kind == KIND_LOAD ? TIE_REQUESTS : kind == KIND_TOKENS ? TIE_TOKENS : TIE_SCORE;
  for (let i: u32 = 0; i < count; i++) {
    const cost = candidates.cost(i);
    if (kept && cost < 0) continue;
    const draw = <f64>random.fraction();
    if (picker == PICKER_RANDOM) candidates.setCost(i, draw);
    else if (picker == PICKER_WEIGHTED) candidates.setCost(i, weightedKey(profile, cost, draw));
    else candidates.setCost(i, cost + draw * tie);
  }
}

/** A candidate with a score of 0 comes after all others, in random order. */
function weightedKey(profile: Profile, cost: f64, draw: f64): f64 {
  const kind = profile.kind;
  let weight: f64;
  if (kind == KIND_SCORERS) weight = profile.best - cost;
  else weight = 1 / (1 + cost / (kind == KIND_LOAD ? HALF_REQUESTS : HALF_TOKENS));
  return weight > 1e-12 ? -Math.log(max(draw, 1e-10)) / weight : 1e18 * (1 + draw);
}
