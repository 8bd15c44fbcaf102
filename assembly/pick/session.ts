// Requests that name the same session go to the same endpoint, the session's home. Rendezvous hashing finds the home: of the
// usable endpoints, the home has the highest hash with the session. Nothing is stored or exchanged, because every worker and
// every gateway finds the same home, also after a restart. An endpoint that comes or goes moves only its own sessions.
//
//   the home is picked while   cost(home) <= FACTOR * cost(best) + SLACK
//
// SLACK is half a second of prefill for profile "tokens", four requests for "load", and a quarter of the best score for scorers.
// If the home costs more, the session's second home is picked by the same bound. If that costs more too, the best endpoint is.
import { mix } from "../base/hash";
import { NONE } from "../snapshot/view";
import { addCandidate, Candidates, homeOf } from "./candidates";
import { PickInput } from "./pick-input";
import { KIND_LOAD, KIND_SCORERS, Profile, scorerAt } from "./profile";
import { SCORE_SESSION } from "./scorers";

/** The request names no session, or a scorer decides about sessions. */
export const SESSION_NONE: u32 = 0;
/** One of the session's homes was made the first. */
export const SESSION_AT_HOME: u32 = 1;
/** The session's homes are too busy. */
const SESSION_AWAY: u32 = 2;

const FACTOR: f64 = 2;
const SLACK_SECONDS: f64 = 0.5;
const SLACK_REQUESTS: f64 = 4;
const SLACK_SCORE: f64 = 0.25;

/** The cost of a preferred home: lower than any other cost. */
const FIRST: f64 = -1;

/** Makes the session's homes candidates. Called after findCandidates(). */
export function findHomes(candidates: Candidates, input: PickInput): void {
  if (input.session == 0) return;
  const home = homeOf(candidates, input.session, NONE);
  if (home == NONE) return;
  candidates.home = home;
  addCandidate(candidates, home);
  const second = homeOf(candidates, mix(input.session), home);
  candidates.secondHome = second;
  if (second != NONE) addCandidate(candidates, second);
}

/** Makes a home the cheapest candidate if its load allows. Called when all costs are known. Returns a SESSION_ number. */
export function preferHome(candidates: Candidates, profile: Profile): u32 {
  if (candidates.home == NONE || scoresSessions(profile)) return SESSION_NONE;
  let best = Infinity;
  for (let i: u32 = 0; i < candidates.count; i++) best = min(best, candidates.cost(i));
  const bound = FACTOR * best + slack(candidates, profile);
  const kept = prefer(candidates, candidates.home, bound) || prefer(candidates, candidates.secondHome, bound);
  return kept ? SESSION_AT_HOME : SESSION_AWAY;
}

function prefer(candidates: Candidates, link: u32, bound: f64): bool {
  if (link == NONE) return false;
  for (let i: u32 = 0; i < candidates.count; i++) {
    if (candidates.link(i) != link || candidates.cost(i) > bound) continue;
    candidates.setCost(i, FIRST);
    return true;
  }
  return false;
}

function slack(candidates: Candidates, profile: Profile): f64 {
  if (profile.kind == KIND_LOAD) return SLACK_REQUESTS;
  return profile.kind == KIND_SCORERS ? SLACK_SCORE * profile.best : SLACK_SECONDS * candidates.rate;
}

function scoresSessions(profile: Profile): bool {
  for (let i: u32 = 0; i < profile.scorers; i++) if (scorerAt(profile, i).type == SCORE_SESSION) return true;
  return false;
}
