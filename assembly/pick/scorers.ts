// The scorers of the Gateway API's endpoint picker (v1.5.0) and of llm-d's endpoint picker, under the names that these use. A
// scorer gives a candidate a score of 0...1. The candidate with the highest sum of weight * score over the profile's scorers
// wins. The sum is kept as cost(p) = best - sum, so that under every profile the lowest cost wins and no cost is below 0.
//
//   queue-scorer                  (highest - waiting) / (highest - lowest) over the candidates; 1 when all are equal
//   kv-cache-utilization-scorer   1 - KV cache usage
//   running-requests-size-scorer  the formula of queue-scorer, with running requests
//   prefix-cache-scorer           matched blocks / blocks of the prompt; 0 for a prompt without a block
//   lora-affinity-scorer          1 when the adapter has running requests on the endpoint; 0.8 when the endpoint has fewer
//                                 active and waiting adapters than slots; 0.6 when the adapter has only waiting requests; else 0
//   token-load-scorer             1 - min(tokens, limit) / limit, where tokens are the endpoint's waiting tokens
//   latency-scorer                the formula of queue-scorer, with the predicted seconds to the first byte * s(p)
//   active-request-scorer         (highest - n) / highest, where n is the number of in-flight requests that filters sent to
//                                 the endpoint (seenInFlight()); 1 when highest is 0
//   load-aware-scorer             0.5 * (1 - min(waiting, limit) / limit)
//   session-affinity-scorer       1 for the session's home (session.ts), else 0
//
// signals.ts has the rule for a signal that one of the candidates lacks. The endpoint picker counts such a signal as 0.
//
// A new scorer needs: a SCORE_ number, and a higher SCORERS; a name in scorerName(); a signal in signalOf(); a formula in scoreOf()
// and in this comment. If the scorer has a parameter, config/endpoint-picker.ts must read the parameter. The name must not be in
// ELSEWHERE of that file. The spec tests/assembly/pick/scorers.spec.ts fails for a number below SCORERS that lacks one of these.
// `make docs` writes the name into the configuration's schema.
import { ADAPTER_RUNNING, ADAPTER_WAITING } from "../../protocol/constants";
import { adapterSlots, linkState } from "../endpoints/adapters";
import { matchPrefix } from "../endpoints/cache/prefix-index";
import { Prompt } from "../endpoints/cache/prompt";
import { entryOf } from "../endpoints/entries";
import { seenInFlight } from "../endpoints/in-flight";
import { speedFactor } from "../endpoints/speed";
import { SnapshotView } from "../snapshot/view";
import { Candidates } from "./candidates";
import { medianSlowness } from "./median-slowness";
import { PickInput } from "./pick-input";
import { KIND_LOAD, Profile, scorerAt } from "./profile";
import { kvOf, runningOf, waitingOf } from "./signals";
import { predictedSeconds, uncachedTokens, unseenOf, worstUnseen } from "./token-cost";

export const SCORE_QUEUE: u32 = 0;
export const SCORE_KV: u32 = 1;
export const SCORE_RUNNING: u32 = 2;
export const SCORE_PREFIX: u32 = 3;
export const SCORE_LORA: u32 = 4;
export const SCORE_TOKENS: u32 = 5;
export const SCORE_LATENCY: u32 = 6;
export const SCORE_ACTIVE: u32 = 7;
export const SCORE_LOAD: u32 = 8;
export const SCORE_SESSION: u32 = 9;
/** Number of scorers. Their SCORE_ numbers are below this. */
export const SCORERS: u32 = 10;

/** Name of latency-scorer in llm-d. */
const PREDICTED_LATENCY = "predicted-latency-scorer";

export function scorerName(type: u32): string {
  switch (type) {
    case SCORE_QUEUE:
      return "queue-scorer";
    case SCORE_KV:
      return "kv-cache-utilization-scorer";
    case SCORE_RUNNING:
      return "running-requests-size-scorer";
    case SCORE_PREFIX:
      return "prefix-cache-scorer";
    case SCORE_LORA:
      return "lora-affinity-scorer";
    case SCORE_TOKENS:
      return "token-load-scorer";
    case SCORE_LATENCY:
      return "latency-scorer";
    case SCORE_ACTIVE:
      return "active-request-scorer";
    case SCORE_LOAD:
      return "load-aware-scorer";
    case SCORE_SESSION:
      return "session-affinity-scorer";
    default:
      return "";
  }
}

/** All names that scorerByName() knows. */
export function scorerNames(): string[] {
  const names: string[] = [];
  for (let type: u32 = 0; type < SCORERS; type++) names.push(scorerName(type));
  names.push(PREDICTED_LATENCY);
  return names;
}

/** The number of the scorer with this name; -1: no scorer has it. */
export function scorerByName(name: string): i32 {
  if (name == PREDICTED_LATENCY) return <i32>SCORE_LATENCY;
  for (let type: u32 = 0; type < SCORERS; type++) if (scorerName(type) == name) return <i32>type;
  return -1;
}

/** Whether picks by the profile use the queues or the KV usage of scrapes, or refuse old scrapes. */
export function usesQueues(profile: Profile): bool {
  if (profile.penalise || profile.kind == KIND_LOAD) return true;
  for (let s: u32 = 0; s < profile.scorers; s++) {
    const type = scorerAt(profile, s).type;
    if (type == SCORE_QUEUE || type == SCORE_KV || type == SCORE_RUNNING || type == SCORE_LOAD) return true;
  }
  return false;
}

/** Gives every candidate its cost. */
export function scorerCosts(candidates: Candidates, profile: Profile, input: PickInput): void {
  const count = candidates.count;
  for (let i: u32 = 0; i < count; i++) candidates.setCost(i, profile.best);
  for (let s: u32 = 0; s < profile.scorers; s++) {
    if (!scoreCandidates(candidates, profile, input, s)) continue;
    const weight = scorerAt(profile, s).weight;
    for (let i: u32 = 0; i < count; i++) candidates.setCost(i, candidates.cost(i) - weight * candidates.score(i));
  }
}

/** Gives every candidate the score of the profile's scorer `s`. False: the scorer is dropped, because a candidate lacks its signal. */
export function scoreCandidates(candidates: Candidates, profile: Profile, input: PickInput, s: u32): bool {
  const count = candidates.count;
  const type = scorerAt(profile, s).type;
  const parameter = scorerAt(profile, s).parameter;
  const median = type == SCORE_LATENCY ? medianSlowness(candidates) : 0;
  const worst = type == SCORE_LATENCY ? worstUnseen(candidates, profile, input) : 0;
  let lowest = Infinity;
  let highest: f64 = -1;
  let lacking = false;
  for (let i: u32 = 0; i < count; i++) {
    const x = signalOf(candidates, i, profile, input, type, parameter, median, worst);
    candidates.setScore(i, x);
    if (x < 0) {
      lacking = true;
      continue;
    }
    lowest = min(lowest, x);
    highest = max(highest, x);
  }
  if (lacking && (!profile.penalise || highest < 0)) return false;
  for (let i: u32 = 0; i < count; i++) {
    const x = candidates.score(i);
    candidates.setScore(i, x < 0 ? 0 : scoreOf(type, x, lowest, highest, parameter));
  }
  return true;
}

/** The signal of a scorer for an endpoint; -1: not known. A SCORE_ number without a case here is not known: its scorer is dropped. */
function signalOf(
  candidates: Candidates,
  i: u32,
  profile: Profile,
  input: PickInput,
  type: u32,
  parameter: f64,
  median: f32,
  worst: f32,
): f64 {
  const view = candidates.view;
  const link = candidates.link(i);
  const endpoint = view.linkEndpoint(link);
  switch (type) {
    case SCORE_QUEUE:
      return waitingOf(view, endpoint, profile, input);
    case SCORE_LOAD: {
      const waiting = waitingOf(view, endpoint, profile, input);
      return min(waiting, parameter);
    }
    case SCORE_KV:
      return kvOf(view, endpoint, profile, input);
    case SCORE_RUNNING:
      return runningOf(view, endpoint, profile, input);
    case SCORE_PREFIX: {
      const prompt = changetype<Prompt>(input.prompt);
      if (!input.prompt || prompt.count == 0) return 0;
      return <f64>matchPrefix(prompt, input.seed, entryOf(endpoint)) / <f64>prompt.count;
    }
    case SCORE_LORA:
      return loraScore(view, link, endpoint);
    case SCORE_TOKENS: {
      const entry = entryOf(endpoint);
      return min<f64>(<f64>max(entry.tokens.waiting + entry.tokens.othersWaiting, 0), parameter);
    }
    case SCORE_LATENCY: {
      const entry = entryOf(endpoint);
      const unseen = unseenOf(view, endpoint, profile, input, worst);
      const seconds = predictedSeconds(entry, endpoint, input, <f32>uncachedTokens(input, entry), unseen);
      return <f64>(seconds * speedFactor(entry, median, input.now));
    }
    case SCORE_ACTIVE:
      return <f64>max(seenInFlight(endpoint), 0);
    case SCORE_SESSION:
      return link == candidates.home ? 1 : 0;
    default:
      return -1;
  }
}

function loraScore(view: SnapshotView, link: u32, endpoint: u32): f64 {
  const state = linkState(view, link);
  if (state == ADAPTER_RUNNING) return 1;
  const entry = entryOf(endpoint);
  if (entry.adapters.active + entry.adapters.waiting < adapterSlots(view, endpoint)) return 0.8;
  return state == ADAPTER_WAITING ? 0.6 : 0;
}

/** The score of a signal `x`, 0...1. A SCORE_ number without a case here scores 0. */
function scoreOf(type: u32, x: f64, lowest: f64, highest: f64, parameter: f64): f64 {
  switch (type) {
    case SCORE_QUEUE:
    case SCORE_RUNNING:
    case SCORE_LATENCY:
      return highest == lowest ? 1 : (highest - x) / (highest - lowest);
    case SCORE_KV:
      return 1 - x;
    case SCORE_TOKENS:
      return 1 - x / parameter;
    case SCORE_ACTIVE:
      return highest == 0 ? 1 : (highest - x) / highest;
    case SCORE_LOAD:
      return 0.5 * (1 - x / parameter);
    case SCORE_PREFIX:
    case SCORE_LORA:
    case SCORE_SESSION:
      return x;
    default:
      return 0;
  }
}
