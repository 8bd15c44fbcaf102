// Sessions: requests that name the same session go to the same endpoint, its home: the usable one whose hash together with
// the session's is the highest. No table, nothing to exchange: every worker, every gateway and every restart finds the same
// home; an endpoint that comes or goes moves only the sessions that are its own.
//
//   the home is picked while   cost(home) <= FACTOR * cost(best) + SLACK
//
// SLACK is half a second of prefill for profile "tokens", four requests for "load", a quarter of the best score for scorers.
// Beyond, the session's second home is tried by the same bound, then the best endpoint is taken.

import { mix } from "../base/hash";
import { RATE } from "../endpoints/waiting-tokens";
import { firstLink, linkCount } from "../places/range";
import { NONE, SnapshotView } from "../snapshot/view";
import { addCandidate, candidateCost, candidateCount, candidateLink, homeOf, setCandidateCost } from "./candidates";
import { PickInput } from "./pick-input";
import { KIND_LOAD, KIND_SCORERS, Profile, scorerType } from "./profile";
import { SCORE_SESSION } from "./scorers";

const FACTOR: f64 = 2;
const SLACK_TOKENS: f64 = RATE / 2;
const SLACK_REQUESTS: f64 = 4;
const SLACK_SCORE: f64 = 0.25;

/** Lower than any cost. */
const FIRST: f64 = -1;

let home: u32 = NONE;
let second: u32 = NONE;
/** The last request's session was kept at home; or it had to go elsewhere. */
export let kept: bool = false;
export let moved: bool = false;

export function sessionHome(): u32 {
  return home;
}

/** After findCandidates(): the homes are candidates. */
export function findHome(view: SnapshotView, model: u32, input: PickInput): void {
  home = NONE;
  second = NONE;
  if (input.session == 0) return;
  const first = firstLink(view, model);
  const served = linkCount(view, model);
  home = homeOf(view, first, served, input.session, NONE);
  if (home == NONE) return;
  addCandidate(view, home);
  second = homeOf(view, first, served, mix(input.session), home);
  if (second != NONE) addCandidate(view, second);
}

/** After the costs: puts the home first where the load allows it. With a scorer for sessions, that one decides. */
export function preferHome(profile: Profile): void {
  kept = false;
  moved = false;
  if (home == NONE || scoresSessions(profile)) return;
  let best = Infinity;
  for (let i: u32 = 0; i < candidateCount(); i++) best = min(best, candidateCost(i));
  const bound = FACTOR * best + slack(profile);
  kept = prefer(home, bound) || prefer(second, bound);
  moved = !kept;
}

function prefer(link: u32, bound: f64): bool {
  if (link == NONE) return false;
  for (let i: u32 = 0; i < candidateCount(); i++) {
    if (candidateLink(i) != link || candidateCost(i) > bound) continue;
    setCandidateCost(i, FIRST);
    return true;
  }
  return false;
}

function slack(profile: Profile): f64 {
  if (profile.kind == KIND_LOAD) return SLACK_REQUESTS;
  return profile.kind == KIND_SCORERS ? SLACK_SCORE * profile.best : SLACK_TOKENS;
}

function scoresSessions(profile: Profile): bool {
  for (let i: u32 = 0; i < profile.scorers; i++) if (scorerType(profile, i) == SCORE_SESSION) return true;
  return false;
}
