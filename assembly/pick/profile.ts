// What decides a pick, as the configuration says it: a profile, or scorers with weights under their names in the Gateway
// API's endpoint picker, and a picker that chooses among the scored.

/** Profile "load": load-cost.ts. */
export const KIND_LOAD: u32 = 0;
/** Profile "tokens": token-cost.ts. */
export const KIND_TOKENS: u32 = 1;
/** Scorers: scorers.ts. */
export const KIND_SCORERS: u32 = 2;

/** The lowest cost or highest score, ties at random. */
export const PICKER_BEST: u32 = 0;
export const PICKER_WEIGHTED: u32 = 1;
export const PICKER_RANDOM: u32 = 2;
/** The better of two random candidates: for thousands of pods. */
export const PICKER_TWO: u32 = 3;

export const MAX_SCORERS: u32 = 16;

@unmanaged
export class Profile {
  kind: u32 = 0;
  picker: u32 = 0;
  /** An unknown or old signal is taken to be as bad as the worst of the candidates', not dropped for all of them. */
  penalise: bool = false;
  /** What endpoints say of themselves counts while it is newer than their last scrape (endpoints/load-reports.ts). */
  reports: bool = false;
  /** Signals older than this many milliseconds are old: with `penalise` those of a scrape, and always those of a report. */
  staleAfter: u32 = 0;
  /** endpoints/health.ts: failures in a row that eject a pod, 0: none do; how long, the first time and at most, ms. */
  failures: u32 = 0;
  ejectionBase: u32 = 0;
  ejectionMost: u32 = 0;
  scorers: u32 = 0;
  /** Sum of the positive weights: a score that nothing exceeds. */
  best: f64 = 0;
}

const TYPES: usize = offsetof<Profile>();
const WEIGHTS: usize = (TYPES + <usize>MAX_SCORERS * 4 + 7) & ~7;
const PARAMETERS: usize = WEIGHTS + <usize>MAX_SCORERS * 8;
const POLICY_BYTES: usize = PARAMETERS + <usize>MAX_SCORERS * 8;

export function newProfile(kind: u32): Profile {
  const profile = changetype<Profile>(heap.alloc(POLICY_BYTES));
  memory.fill(changetype<usize>(profile), 0, POLICY_BYTES);
  profile.kind = kind;
  return profile;
}

/** `parameter` is the scorer's own, such as a threshold. False: there are too many. */
export function addScorer(profile: Profile, type: u32, weight: f64, parameter: f64): bool {
  const i = profile.scorers;
  if (i == MAX_SCORERS) return false;
  profile.scorers = i + 1;
  store<u32>(changetype<usize>(profile) + TYPES + i * 4, type);
  store<f64>(changetype<usize>(profile) + WEIGHTS + i * 8, weight);
  store<f64>(changetype<usize>(profile) + PARAMETERS + i * 8, parameter);
  if (weight > 0) profile.best += weight;
  return true;
}

export function scorerType(profile: Profile, i: u32): u32 {
  return load<u32>(changetype<usize>(profile) + TYPES + i * 4);
}
export function scorerWeight(profile: Profile, i: u32): f64 {
  return load<f64>(changetype<usize>(profile) + WEIGHTS + i * 8);
}
export function scorerParameter(profile: Profile, i: u32): f64 {
  return load<f64>(changetype<usize>(profile) + PARAMETERS + i * 8);
}
