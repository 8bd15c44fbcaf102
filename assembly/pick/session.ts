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
import { KIND_LOAD, KIND_SCORERS, Policy, scorerType } from "./policy";
import { SCORE_SESSION } from "./scorers";
import { Work } from "./work";

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
export function findHome(view: SnapshotView, model: u32, work: Work): void {
  home = NONE;
  second = NONE;
  if (work.session == 0) return;
  const first = firstLink(view, model);
  const served = linkCount(view, model);
  home = homeOf(view, first, served, work.session, NONE);
  if (home == NONE) return;
  addCandidate(view, home);
  second = homeOf(view, first, served, mix(work.session), home);
  if (second != NONE) addCandidate(view, second);
}

/** After the costs: puts the home first where the load allows it. With a scorer for sessions, that one decides. */
export function preferHome(policy: Policy): void {
  kept = false;
  moved = false;
  if (home == NONE || scoresSessions(policy)) return;
  let best = Infinity;
  for (let i: u32 = 0; i < candidateCount(); i++) best = min(best, candidateCost(i));
  const bound = FACTOR * best + slack(policy);
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

function slack(policy: Policy): f64 {
  if (policy.kind == KIND_LOAD) return SLACK_REQUESTS;
  return policy.kind == KIND_SCORERS ? SLACK_SCORE * policy.best : SLACK_TOKENS;
}

function scoresSessions(policy: Policy): bool {
  for (let i: u32 = 0; i < policy.scorers; i++) if (scorerType(policy, i) == SCORE_SESSION) return true;
  return false;
}
