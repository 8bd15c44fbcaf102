// Scorers of the Gateway API's endpoint picker (v1.5.0) and of llm-d's, under their names. Each gives a candidate 0...1;
// a candidate's score is the sum of weight * score, the highest wins. Kept as cost(p) = best - sum, so that for every
// policy the lowest wins and nothing is below 0.
//
//   queue-scorer                  (most - waiting) / (most - least) over the candidates, 1 when all are equal
//   kv-cache-utilization-scorer   1 - KV cache usage
//   running-requests-size-scorer  as the queue, of running requests
//   prefix-cache-scorer           matched blocks / blocks of the prompt; 0 for a prompt without a block
//   lora-affinity-scorer          1 when the adapter has running requests there; 0.8 when active + waiting adapters are
//                                 fewer than fit; 0.6 when only waiting ones; else 0
//   token-load-scorer             1 - min(tokens, limit) / limit, tokens: those that wait there for their first byte
//   latency-scorer                (most - t) / (most - least), t: predicted seconds to the first byte, times s(p)
//   active-request-scorer         (most - n) / most, n: requests of this Envoy in flight there, 1 when most is 0
//   load-aware-scorer             0.5 * (1 - min(waiting, limit) / limit)
//   session-affinity-scorer       1 for the session's home (session.ts), else 0
//
// A signal that one of the candidates lacks: signals.ts; the endpoint picker itself takes it for 0.
import { ADAPTER_RUNNING, ADAPTER_WAITING } from "../../protocol/constants";
import { linkState, mostAdapters } from "../endpoints/adapters";
import { matchPrefix } from "../endpoints/cache/prefix-index";
import { Prompt } from "../endpoints/cache/prompt";
import { entryOf } from "../endpoints/entries";
import { seenInFlight } from "../endpoints/in-flight";
import { medianSlowness, speedFactor } from "../endpoints/speed";
import { SnapshotView } from "../snapshot/view";
import { candidateCost, candidateCount, candidateLink, setCandidateCost } from "./candidates";
import { PickInput } from "./pick-input";
import { Profile, scorerParameter, scorerType, scorerWeight } from "./profile";
import { kvOf, runningOf, waitingOf } from "./signals";
import { predictedSeconds, uncached, unseenOf, worstUnseen } from "./token-cost";

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

/** Values of the scorer at work, by candidate; -1: not known. 80 KiB, as many as there can be candidates. */
const values: usize = memory.data(81920, 8);

/** Costs of all candidates. `home`: link of the session's home, or NONE. */
export function scorerCosts(view: SnapshotView, profile: Profile, input: PickInput, home: u32): void {
  const count = candidateCount();
  for (let i: u32 = 0; i < count; i++) setCandidateCost(i, profile.best);
  for (let s: u32 = 0; s < profile.scorers; s++) {
    if (!scores(view, profile, input, home, s)) continue;
    const weight = scorerWeight(profile, s);
    for (let i: u32 = 0; i < count; i++) setCandidateCost(i, candidateCost(i) - weight * load<f64>(values + i * 8));
  }
}

/** What the last call of scores() gave a candidate. */
export function scoreValue(i: u32): f64 {
  return load<f64>(values + i * 8);
}

/** Fills `values` with the scores of the policy's scorer `s`; false: it is dropped, because a candidate lacks its signal. */
export function scores(view: SnapshotView, profile: Profile, input: PickInput, home: u32, s: u32): bool {
  const count = candidateCount();
  const type = scorerType(profile, s);
  const parameter = scorerParameter(profile, s);
  const median = type == SCORE_LATENCY ? medianSlowness(view) : 0;
  const worst = type == SCORE_LATENCY ? worstUnseen(view, profile, input) : 0;
  let least = Infinity;
  let most: f64 = -1;
  let lacking = false;
  for (let i: u32 = 0; i < count; i++) {
    const x = signal(view, candidateLink(i), profile, input, home, type, parameter, median, worst);
    store<f64>(values + i * 8, x);
    if (x < 0) {
      lacking = true;
      continue;
    }
    least = min(least, x);
    most = max(most, x);
  }
  if (lacking && (!profile.penalise || most < 0)) return false;
  for (let i: u32 = 0; i < count; i++) {
    const x = load<f64>(values + i * 8);
    store<f64>(values + i * 8, x < 0 ? 0 : scoreOf(type, x, least, most, parameter));
  }
  return true;
}

/** What a scorer looks at; -1: not known. */
function signal(
  view: SnapshotView,
  link: u32,
  profile: Profile,
  input: PickInput,
  home: u32,
  type: u32,
  parameter: f64,
  median: f32,
  worst: f32,
): f64 {
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
      return min<f64>(<f64>max(entry.pending + entry.othersPending, 0), parameter);
    }
    case SCORE_LATENCY: {
      const entry = entryOf(endpoint);
      const unseen = unseenOf(view, endpoint, profile, input, worst);
      const seconds = predictedSeconds(entry, endpoint, input, <f32>uncached(input, entry), unseen);
      return <f64>(seconds * speedFactor(entry, median));
    }
    case SCORE_ACTIVE:
      return <f64>max(seenInFlight(endpoint), 0);
    default:
      return link == home ? 1 : 0;
  }
}

function loraScore(view: SnapshotView, link: u32, endpoint: u32): f64 {
  const state = linkState(view, link);
  if (state == ADAPTER_RUNNING) return 1;
  const entry = entryOf(endpoint);
  if (entry.activeAdapters + entry.waitingAdapters < mostAdapters(view, endpoint)) return 0.8;
  return state == ADAPTER_WAITING ? 0.6 : 0;
}

function scoreOf(type: u32, x: f64, least: f64, most: f64, parameter: f64): f64 {
  switch (type) {
    case SCORE_QUEUE:
    case SCORE_RUNNING:
    case SCORE_LATENCY:
      return most == least ? 1 : (most - x) / (most - least);
    case SCORE_KV:
      return 1 - x;
    case SCORE_TOKENS:
      return 1 - x / parameter;
    case SCORE_ACTIVE:
      return most == 0 ? 1 : (most - x) / most;
    case SCORE_LOAD:
      return 0.5 * (1 - x / parameter);
    default:
      return x;
  }
}
