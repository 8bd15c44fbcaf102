// A profile: what the configuration says about picks. It names a cost ("load" or "tokens"), or scorers with weights, and a picker
// that chooses among the candidates. Scorers and pickers have the names of the Gateway API's endpoint picker.
import { EjectionLimits } from "../endpoints/health";

/** Profile "load" (load-cost.ts). */
export const KIND_LOAD: u32 = 0;
/** Profile "tokens" (token-cost.ts). */
export const KIND_TOKENS: u32 = 1;
/** Scorers with weights (scorers.ts). */
export const KIND_SCORERS: u32 = 2;

/** Picks the lowest cost or the highest score. Chance decides ties. */
export const PICKER_BEST: u32 = 0;
export const PICKER_WEIGHTED: u32 = 1;
export const PICKER_RANDOM: u32 = 2;
/** Picks the better of two random candidates, for pools of thousands of endpoints. */
export const PICKER_TWO: u32 = 3;
const PICKERS: u32 = 4;

function pickerName(picker: u32): string {
  switch (picker) {
    case PICKER_BEST:
      return "max-score-picker";
    case PICKER_WEIGHTED:
      return "weighted-random-picker";
    case PICKER_RANDOM:
      return "random-picker";
    case PICKER_TWO:
      return "p2c-picker";
    default:
      return "";
  }
}

/** The names of all pickers. A picker's number is its index. */
export function pickerNames(): string[] {
  const names: string[] = [];
  for (let picker: u32 = 0; picker < PICKERS; picker++) names.push(pickerName(picker));
  return names;
}

const MAX_SCORERS: u32 = 16;

/** One of a profile's scorers. */
@unmanaged
class WeightedScorer {
  weight: f64 = 0;
  /** The parameter of the scorer's formula, such as a limit (scorers.ts). */
  parameter: f64 = 0;
  /** A SCORE_ number (scorers.ts). */
  type: u32 = 0;
}

@unmanaged
export class Profile {
  kind: u32 = 0;
  picker: u32 = 0;
  /** True: a candidate whose signal is unknown or old counts as the worst. False: the signal is dropped for all candidates. */
  penalise: bool = false;
  /** Whether a load report counts while it is newer than the endpoint's last scrape (endpoints/load-reports.ts). */
  reports: bool = false;
  /** Milliseconds after which a load report is old. With `penalise`, a scrape is old after this time too. */
  staleAfter: u32 = 0;
  /** When failed responses eject an endpoint. */
  ejection: EjectionLimits = changetype<EjectionLimits>(0);
  /** Number of the profile's scorers (scorerAt()). */
  scorers: u32 = 0;
  /** Sum of the positive weights: the highest score that a candidate can get. */
  best: f64 = 0;
}

const SCORERS_AT: u32 = (<u32>offsetof<Profile>() + 7) & ~7;
const SCORER_BYTES: u32 = (<u32>offsetof<WeightedScorer>() + 7) & ~7;
const EJECTION_AT: u32 = SCORERS_AT + MAX_SCORERS * SCORER_BYTES;
const PROFILE_BYTES: u32 = EJECTION_AT + offsetof<EjectionLimits>();

export function newProfile(kind: u32): Profile {
  const profile = changetype<Profile>(heap.alloc(PROFILE_BYTES));
  memory.fill(changetype<usize>(profile), 0, PROFILE_BYTES);
  profile.kind = kind;
  profile.ejection = changetype<EjectionLimits>(changetype<usize>(profile) + EJECTION_AT);
  return profile;
}

/** Adds a scorer. False: the profile has MAX_SCORERS already. */
export function addScorer(profile: Profile, type: u32, weight: f64, parameter: f64): bool {
  const i = profile.scorers;
  if (i == MAX_SCORERS) return false;
  profile.scorers = i + 1;
  const scorer = scorerAt(profile, i);
  scorer.type = type;
  scorer.weight = weight;
  scorer.parameter = parameter;
  if (weight > 0) profile.best += weight;
  return true;
}

export function scorerAt(profile: Profile, i: u32): WeightedScorer {
  return changetype<WeightedScorer>(changetype<usize>(profile) + SCORERS_AT + i * SCORER_BYTES);
}
