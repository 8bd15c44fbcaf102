// Pickers choose among the candidates once each has a cost. A picker replaces each cost by a key. The lowest key wins.
//
//   max-score-picker        key = cost + random * TIE       chance decides between costs that differ by less than TIE
//   p2c-picker              key = cost + random * TIE       there are only two candidates, chosen at random (candidates.ts)
//   weighted-random-picker  key = -ln(random) / weight      picks in proportion to weight = score, or 1 / cost. Source:
//                                                           Efraimidis and Spirakis, algorithm A-Res
//   random-picker           key = random
//
// TIE is a tenth of a request under profile "load", 8 tokens under "tokens", and a tiny part of a score.
import { Random } from "../base/random";
import { Candidates } from "./candidates";
import { KIND_LOAD, KIND_SCORERS, KIND_TOKENS, PICKER_RANDOM, PICKER_WEIGHTED, Profile } from "./profile";

const TIE_REQUESTS: f64 = 0.1;
const TIE_TOKENS: f64 = 8;
const TIE_SCORE: f64 = 1e-9;
/** The cost with which a candidate gets half of the requests that a candidate with cost 0 gets. */
const HALF_REQUESTS: f64 = 1;
const HALF_TOKENS: f64 = 400;

/** Replaces the candidates' costs by the picker's keys. `kept`: a home of the session has the cost -1 and must stay first. */
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

/** The key of weighted-random-picker. Candidates with a score of 0 come after all others, in random order. */
function weightedKey(profile: Profile, cost: f64, draw: f64): f64 {
  const kind = profile.kind;
  let weight: f64;
  if (kind == KIND_SCORERS) weight = profile.best - cost;
  else weight = 1 / (1 + cost / (kind == KIND_LOAD ? HALF_REQUESTS : HALF_TOKENS));
  return weight > 1e-12 ? -Math.log(max(draw, 1e-10)) / weight : 1e18 * (1 + draw);
}
