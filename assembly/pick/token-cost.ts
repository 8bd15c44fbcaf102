// Profile "tokens": the cost of a request on an endpoint, in prompt tokens at the candidates' mean prefill rate. So costs compare as
// times do. The lowest cost wins. Chance decides ties.
//
//   cost(p) = s(p) * [ L(p) + P * u(p) + o(p) ] + f(p) + adapter(p)
//   L(p)    = (1 - W) * Q(p) + (d(p) * (1 + n(p) / N) + W * q) * n(p)
//   P       = C + (1 + E) * h / (1 - h)
//   o(p)    = price * L, and 0 if p is the prompt's owner
//
//   s  mean prefill rate of the candidates / prefill rate of p (endpoints/costs.ts), times how much slower than the usual candidate
//      p answers, measured by what its rate predicts (endpoints/speed.ts)
//   Q  waiting tokens on p that are still to be prefilled (queueOf() of endpoints/waiting-tokens.ts)
//   u  uncached tokens of this prompt on p: max(16, T - match). T = estimated tokens of the prompt (endpoints/cache/prompt-tokens.ts).
//      match = tokens of the prompt's beginning that p has cached (endpoints/cache/prefix-index.ts)
//   h  share of the candidates' caches that hot blocks take, 0...1 (endpoints/cache/lru.ts). A prefill evicts as many blocks as
//      it adds. The share h of these is prefilled once more, which evicts blocks in turn: h + h² + ... = h / (1 - h) further
//      prefills, which gain nothing
//   n  in-flight requests on p, of all traffic that is known (endpoints/in-flight.ts; unseen requests as estimated in endpoints/unseen.ts)
//   d  tokens that p could prefill in the fraction F of one of its steps (endpoints/costs.ts): a request in flight takes part in
//      the steps that a new request waits for. D before the step is learned
//   q  sum of Q over all candidates / their in-flight requests. Waiting work is balanced partly by its tokens and partly by its
//      requests. By tokens alone, a burst of unequal prompts would leave some endpoints with far more requests than others
//   o  the price of an endpoint that is not the prompt's owner, for prompts whose beginning the prefix index does not show: in an
//      overloaded pool, and beside foreign gateways (prompt-owner.ts). L is the load L(p) of the mean candidate. In a pool that
//      keeps up, and without foreign gateways, the price is 0
//   f  the wait for room in the KV cache of p, where that cache is full (full-cache.ts)
//   adapter  the cost of loading the adapter and waiting for a slot (endpoints/adapters.ts)
//
// Unseen requests have waiting tokens too. So Q is multiplied by 1 + min(4, unseen / seen), the two parts of n.
// Source: a simulation of rules in use on pods like vLLM's, which `make sim` repeats.
import { MODEL_IS_ADAPTER, PREFIX_UNIT_TOKENS } from "../../protocol/constants";
import { adapterCost } from "../endpoints/adapters";
import { clockOf } from "../endpoints/cache/lru";
import { askForPrefix, matchPrefix } from "../endpoints/cache/prefix-index";
import { Prompt, piecesOf } from "../endpoints/cache/prompt";
import { rateOf } from "../endpoints/costs";
import { entryOf } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import { seenInFlight } from "../endpoints/in-flight";
import { speedFactor } from "../endpoints/speed";
import { unseenInFlight } from "../endpoints/unseen";
import { queueOf, waitingTokens } from "../endpoints/waiting-tokens";
import { SnapshotView } from "../snapshot/view";
import { Candidates } from "./candidates";
import { fullCacheCost, knowCaches } from "./full-cache";
import { medianSlowness } from "./median-slowness";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";
import { findOwner } from "./prompt-owner";
import { reportsRequests } from "./signals";

const MIN_TOKENS: i32 = 16;
/** Price of an uncached token if h = 0. It is below 1 because a prefill makes a copy that later requests find on this endpoint. */
const C: f32 = 0.4;
/** Delay that a further prefill causes to requests that wait or decode meanwhile, as a multiple of the prefill's own time. */
const E: f32 = 2;
/** Lower bound of 1 - h. It bounds P, so that a prefix can spread to further endpoints even if all caches are full of hot blocks. */
const MIN_COLD: f32 = 0.03;
/** Tokens that one more in-flight request costs where the step is not learned: 5 ms at the usual rate. */
const D: f32 = 100;
/** Fraction of a step that one more in-flight request costs. */
const F: f32 = 0.2;
/** With this many in-flight requests one more costs 2 d: it slows all of them, and the server's slots run out. */
const N: f32 = 64;
/** The part of the waiting work that is balanced by requests. */
const W: f32 = 0.7;
/** The terms that all candidates of a pick share. */
@unmanaged
class CommonTerms {
  /** q of the formula. */
  waitingPerRequest: f32 = 0;
  /** P of the formula. */
  prefillPrice: f32 = 0;
  medianSlowness: f32 = 0;
  /** The result of worstUnseen(). */
  worstUnseen: f32 = 0;
  /** The owner's index in the snapshot; NONE: the prompt has no owner, or owners do not count. */
  owner: u32 = 0;
  /** o of the formula, for all endpoints but the owner. */
  notOwner: f32 = 0;
  /** Whether the term f(p) counts. */
  knowsCaches: bool = false;
  /** Whether the model is an adapter, so that the term adapter(p) counts. */
  isAdapter: bool = false;
}

/** The terms of one candidate's cost. */
@unmanaged
class TokenTerms {
  queue: f32 = 0;
  uncached: f32 = 0;
  requests: f32 = 0;
  speed: f32 = 0;
  notOwner: f32 = 0;
  fullCache: f32 = 0;
  adapter: f32 = 0;
  cost: f32 = 0;
}

const common = changetype<CommonTerms>(memory.data(offsetof<CommonTerms>(), 4));
const terms = changetype<TokenTerms>(memory.data(offsetof<TokenTerms>(), 4));

/** u of the formula: uncached tokens of the prompt on the endpoint. */
export function uncachedTokens(input: PickInput, entry: Entry): i32 {
  if (!input.prompt) return max(input.tokens, MIN_TOKENS);
  const blocks = matchPrefix(changetype<Prompt>(input.prompt), input.seed, entry);
  return max(input.tokens - <i32>(<f32>piecesOf(blocks) * input.pieceTokens), MIN_TOKENS);
}

/** Gives every candidate its cost. */
export function tokenCosts(candidates: Candidates, profile: Profile, input: PickInput): void {
  const count = candidates.count;
  if (input.prompt) {
    for (let i: u32 = 0; i < count; i++) {
      const entry = entryOf(candidates.endpoint(i));
      askForPrefix(changetype<Prompt>(input.prompt), input.seed, entry);
    }
  }
  const shared = commonTerms(candidates, profile, input);
  for (let i: u32 = 0; i < count; i++) {
    candidates.setCost(i, tokenTerms(candidates, i, profile, input, shared).cost);
  }
}

/** Calculates the terms that all candidates share. The record is valid until the next call. */
export function commonTerms(candidates: Candidates, profile: Profile, input: PickInput): CommonTerms {
  const view = candidates.view;
  const count = candidates.count;
  let queues: f32 = 0;
  let rates: f32 = 0;
  let requestCosts: f32 = 0;
  let waiting: f32 = 0;
  let requests: f32 = 0;
  let unseen: f32 = 0;
  let hot: f32 = 0;
  let capacity: f32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const endpoint = view.linkEndpoint(candidates.link(i));
    const entry = entryOf(endpoint);
    queues += queueOf(entry, input.now);
    rates += rateOf(entry);
    requestCosts += requestCost(entry);
    waiting += waitingTokens(entry);
    requests += <f32>seenInFlight(endpoint);
    unseen += unseenInFlight(endpoint);
    const clock = clockOf(entry.number);
    hot += <f32>clock.hot;
    capacity += <f32>clock.capacity;
  }
  if (count > 0) candidates.rate = rates / <f32>count;
  common.waitingPerRequest = requests > 0 ? queues / requests : 0;
  const share: f32 = capacity > 0 ? hot / capacity : 0;
  common.prefillPrice = C + ((1 + E) * share) / max<f32>(1 - share, MIN_COLD);
  common.medianSlowness = medianSlowness(candidates);
  common.worstUnseen = worstUnseen(candidates, profile, input);
  const room = capacity * <f32>PREFIX_UNIT_TOKENS;
  const owner = findOwner(candidates, input, room > 0 ? waiting / room : 0);
  common.owner = owner.endpoint;
  common.notOwner = owner.price > 0 ? owner.price * meanLoad(queues, requests + unseen, requestCosts, count) : 0;
  common.knowsCaches = knowCaches(candidates, profile, input);
  common.isAdapter = view.modelKind(candidates.model) == MODEL_IS_ADAPTER;
  return common;
}

/** d of the formula. */
function requestCost(entry: Entry): f32 {
  const step = entry.costs.step;
  return step > 0 ? F * rateOf(entry) * step : D;
}

/** L of the mean of `count` candidates, from the sums of their Q, n and d. */
function meanLoad(queues: f32, requests: f32, requestCosts: f32, count: u32): f32 {
  if (count == 0) return 0;
  const n = requests / <f32>count;
  return (queues + requestCosts * (1 + n / N) * n) / <f32>count;
}

/** Calculates the terms of candidate `i`. The record is valid until the next call. */
export function tokenTerms(
  candidates: Candidates,
  i: u32,
  profile: Profile,
  input: PickInput,
  shared: CommonTerms,
): TokenTerms {
  const view = candidates.view;
  const link = candidates.link(i);
  const endpoint = view.linkEndpoint(link);
  const entry = entryOf(endpoint);
  const seen = <f32>seenInFlight(endpoint);
  const unseen = unseenOf(view, endpoint, profile, input, shared.worstUnseen);
  let queue = queueOf(entry, input.now);
  if (seen > 0 && unseen > 0) queue *= 1 + min<f32>(4, unseen / seen);
  terms.queue = queue;
  terms.uncached = <f32>uncachedTokens(input, entry);
  terms.requests = seen + unseen;
  terms.speed = (speedFactor(entry, shared.medianSlowness, input.now) * candidates.rate) / rateOf(entry);
  terms.adapter = shared.isAdapter ? adapterCost(view, link, entry, input.model, candidates.rate, input.now) : 0;
  terms.notOwner = endpoint == shared.owner ? 0 : shared.notOwner;
  terms.fullCache = shared.knowsCaches
    ? fullCacheCost(view, endpoint, entry, profile, input, terms.uncached, candidates.rate)
    : 0;
  const waits: f32 =
    (1 - W) * queue + (requestCost(entry) * (1 + terms.requests / N) + W * shared.waitingPerRequest) * terms.requests;
  terms.cost =
    terms.speed * (waits + shared.prefillPrice * terms.uncached + terms.notOwner) + terms.fullCache + terms.adapter;
  return terms;
}

/** Result of worstUnseen(): no candidate's unseen requests count, because one candidate's server does not report its requests. */
const DROPPED: f32 = -1;

/** Unseen requests of a candidate whose server does not report its requests: with `penalise` the highest of the others' (signals.ts). */
export function worstUnseen(candidates: Candidates, profile: Profile, input: PickInput): f32 {
  const view = candidates.view;
  let worst: f32 = 0;
  for (let i: u32 = 0; i < candidates.count; i++) {
    const endpoint = view.linkEndpoint(candidates.link(i));
    if (reportsRequests(view, endpoint, profile, input)) worst = max(worst, unseenInFlight(endpoint));
    else if (!profile.penalise) return DROPPED;
  }
  return worst;
}

/** The candidate's unseen requests. `worst`: the result of worstUnseen(). */
export function unseenOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput, worst: f32): f32 {
  if (worst == DROPPED) return 0;
  return reportsRequests(view, endpoint, profile, input) ? unseenInFlight(endpoint) : worst;
}

/** Predicted seconds to the first byte of a request with `tokens` to prefill, on an endpoint of usual speed with `unseen` requests. */
export function predictedSeconds(entry: Entry, endpoint: u32, input: PickInput, tokens: f32, unseen: f32): f32 {
  const requests = <f32>seenInFlight(endpoint) + unseen;
  return (queueOf(entry, input.now) + tokens + requestCost(entry) * (requests + 1)) / rateOf(entry);
}
