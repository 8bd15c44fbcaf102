// Profile "tokens": the cost of a request on an endpoint, in prompt tokens. The lowest cost wins; ties are decided at random.
//
//   cost(p) = s(p) * [ (1 - W) * Q(p) + P * u(p) + (D * (1 + n(p) / N) + W * q) * n(p) ] + adapter(p)
//   P       = C + (1 + E) * h / (1 - h)
//
//   s  how much slower than the usual candidate p answers (endpoints/speed.ts)
//   Q  uncached tokens that wait on p for their first output token (endpoints/waiting-tokens.ts)
//   u  uncached tokens of this prompt there: max(16, T - match). T = bytes of the prompt / 4 (tokensOf()); match: the tokens of
//      its beginning that p has cached (endpoints/cache/prefix-index.ts)
//   h  share of the candidates' caches whose blocks were used again, 0...1 (endpoints/cache/lru.ts). A prefill evicts as much as
//      it adds. The share h of that is prefilled once more and evicts the next: h + h² + ... = h / (1 - h) further prefills,
//      which gain nothing
//   n  in-flight requests on p, of all traffic that is known (endpoints/in-flight.ts; unseen requests averaged over 2 s)
//   q  waiting tokens for each in-flight request, over all candidates. Waiting work is balanced in part by its tokens and in
//      part by its requests. Else a burst of unequal prompts leaves some endpoints with far more requests than others
//   adapter  what loading the adapter and waiting for a slot takes (endpoints/adapters.ts)
//
// Q grows with traffic that other gateways sent: Q * (1 + min(4, unseen / n seen)).
// Source: simulation of rules in use on vLLM-like pods; `make sim` repeats it.
import { MODEL_IS_ADAPTER } from "../../protocol/constants";
import { adapterCost } from "../endpoints/adapters";
import { clockOf } from "../endpoints/cache/lru";
import { askForPrefix, matchPrefix } from "../endpoints/cache/prefix-index";
import { blockBytes, Prompt, piecesOf, tokensOf } from "../endpoints/cache/prompt";
import { entryOf } from "../endpoints/entries";
import { Entry } from "../endpoints/entry";
import { seenInFlight, unseenInFlight, workersBeside } from "../endpoints/in-flight";
import { speedFactor } from "../endpoints/speed";
import { queueOf, RATE } from "../endpoints/waiting-tokens";
import { SnapshotView } from "../snapshot/view";
import { Candidates } from "./candidates";
import { medianSlowness } from "./median-slowness";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";
import { reportsRequests } from "./signals";

const MIN_TOKENS: i32 = 16;
/** A prefill is no loss where it makes a copy that others find: such prompts spread before they fill an endpoint. */
const C: f32 = 0.4;
/** What a further prefill takes from the requests that wait and decode meanwhile, as a multiple of the prefill's own time. */
const E: f32 = 2;
/** Lower bound of 1 - h. A prefix for which only further copies are left spreads in the end. */
const MIN_COLD: f32 = 0.03;
/** Tokens that one more in-flight request costs: 5 ms at RATE. */
const D: f32 = 100;
/** With this many in-flight requests one more costs twice as much: it slows all of them, and slots run out. */
const N: f32 = 64;
/** The part of the waiting work that is balanced by requests. */
const W: f32 = 0.7;

/** What all candidates of a pick have in common. */
@unmanaged
class CommonTerms {
  /** q */
  waitingPerRequest: f32 = 0;
  /** P */
  prefillPrice: f32 = 0;
  medianSlowness: f32 = 0;
  /** Unseen requests that count for a candidate whose server does not report its requests; see worstUnseen(). */
  worstUnseen: f32 = 0;
  /** The model is an adapter, so that the last term counts. */
  isAdapter: bool = false;
}

/** The terms of one candidate's cost. */
@unmanaged
class TokenTerms {
  queue: f32 = 0;
  uncached: f32 = 0;
  requests: f32 = 0;
  speed: f32 = 0;
  adapter: f32 = 0;
  cost: f32 = 0;
}

const common = changetype<CommonTerms>(memory.data(offsetof<CommonTerms>(), 4));
const terms = changetype<TokenTerms>(memory.data(offsetof<TokenTerms>(), 4));

/** Tokens of the prompt that the endpoint has to prefill. */
export function uncachedTokens(input: PickInput, entry: Entry): i32 {
  if (!input.prompt) return max(input.tokens, MIN_TOKENS);
  const blocks = matchPrefix(changetype<Prompt>(input.prompt), input.seed, entry);
  return max(input.tokens - tokensOf(piecesOf(blocks) * blockBytes()), MIN_TOKENS);
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

/** The record is valid until the next call. */
export function commonTerms(candidates: Candidates, profile: Profile, input: PickInput): CommonTerms {
  const view = candidates.view;
  const count = candidates.count;
  const workers = workersBeside();
  let queues: f32 = 0;
  let requests: f32 = 0;
  let hot: f32 = 0;
  let capacity: f32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const endpoint = view.linkEndpoint(candidates.link(i));
    const entry = entryOf(endpoint);
    queues += queueOf(entry, input.now, workers);
    requests += <f32>seenInFlight(endpoint);
    const clock = clockOf(entry.number);
    hot += <f32>clock.hot;
    capacity += <f32>clock.capacity;
  }
  common.waitingPerRequest = requests > 0 ? queues / requests : 0;
  const share: f32 = capacity > 0 ? hot / capacity : 0;
  common.prefillPrice = C + ((1 + E) * share) / max<f32>(1 - share, MIN_COLD);
  common.medianSlowness = medianSlowness(candidates);
  common.worstUnseen = worstUnseen(candidates, profile, input);
  common.isAdapter = view.modelKind(candidates.model) == MODEL_IS_ADAPTER;
  return common;
}

/** The terms of candidate `i`. The record is valid until the next call. */
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
  let queue = queueOf(entry, input.now, workersBeside());
  if (seen > 0 && unseen > 0) queue *= 1 + min<f32>(4, unseen / seen);
  terms.queue = queue;
  terms.uncached = <f32>uncachedTokens(input, entry);
  terms.requests = seen + unseen;
  terms.speed = speedFactor(entry, shared.medianSlowness);
  terms.adapter = shared.isAdapter ? adapterCost(view, link, entry, input.model, input.now) : 0;
  const waits: f32 = (1 - W) * queue + (D * (1 + terms.requests / N) + W * shared.waitingPerRequest) * terms.requests;
  terms.cost = terms.speed * (waits + shared.prefillPrice * terms.uncached) + terms.adapter;
  return terms;
}

/** No candidate's unseen requests count, because one candidate's server does not report its requests. */
const DROPPED: f32 = -1;

/** What counts for a candidate whose server does not report its requests (signals.ts): with `penalise` the most of the others. */
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

/** The candidate's requests that no filter sent. `worst`: of worstUnseen(). */
export function unseenOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput, worst: f32): f32 {
  if (worst == DROPPED) return 0;
  return reportsRequests(view, endpoint, profile, input) ? unseenInFlight(endpoint) : worst;
}

/** Seconds until the first byte of a request with `tokens` to prefill, on an endpoint of usual speed with `unseen` requests of others. */
export function predictedSeconds(entry: Entry, endpoint: u32, input: PickInput, tokens: f32, unseen: f32): f32 {
  const requests = <f32>seenInFlight(endpoint) + unseen;
  return (queueOf(entry, input.now, workersBeside()) + tokens + D * (requests + 1)) / RATE;
}
