// Profile "tokens": one cost in prompt tokens, the lowest wins, ties at random.
//
//   cost(p) = s(p) * [ (1 - W) * Q(p) + P * u(p) + (D * (1 + n(p) / N) + W * q) * n(p) ] + adapter(p)
//   P       = C + (1 + E) * h / (1 - h)
//
//   s  how much slower than the usual candidate p answers (endpoints/speed.ts)
//   Q  uncached tokens that wait on p for their first output token (endpoints/waiting-tokens.ts)
//   u  uncached tokens of this prompt there: max(16, T - match), T = prompt bytes / 4, match from endpoints/cache/prefix-index.ts
//   h  how much of the candidates' caches holds what was asked for again, 0...1 (endpoints/cache/lru.ts). A prefill drives as much out, h of
//      which is prefilled once more and drives out the next: h + h² + ... = h / (1 - h) further prefills, which bring nothing new
//   n  requests in flight on p, from all traffic as far as it is known (endpoints/in-flight.ts, unseen averaged over 2 s)
//   q  tokens that wait for each request in flight, over all candidates: what waits is balanced in part by its tokens and in
//      part by its requests, or a burst of unequal prompts leaves some endpoints with far more requests than others
//   adapter  what loading the adapter and waiting for a slot takes (endpoints/adapters.ts)
//
// Q grows with traffic that other gateways sent: Q * (1 + min(4, unseen / n seen)).
// Source: simulation of the field's rules on vLLM-like pods; `make sim` repeats it.
import { MODEL_IS_ADAPTER } from "../../protocol/constants";
import { adapterCost } from "../endpoints/adapters";
import { capacityOf, clockOf, hotBlocks } from "../endpoints/cache/lru";
import { askForPrefix, matchPrefix } from "../endpoints/cache/prefix-index";
import { blockBytes, Prompt, piecesOf } from "../endpoints/cache/prompt";
import { Entry, entryOf } from "../endpoints/entries";
import { seenInFlight, unseenInFlight, workersBeside } from "../endpoints/in-flight";
import { medianSlowness, speedFactor } from "../endpoints/speed";
import { queueOf, RATE } from "../endpoints/waiting-tokens";
import { SnapshotView } from "../snapshot/view";
import { candidateCount, candidateLink, setCandidateCost } from "./candidates";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";
import { reportsRequests } from "./signals";

const TOKEN_BYTES: u32 = 4;
const MIN_TOKENS: i32 = 16;
/** A prefill is no loss where it makes a copy that others find: such prompts spread before they fill an endpoint. */
const C: f32 = 0.4;
/** What a further prefill takes beside its own time, from the requests that wait and decode meanwhile. */
const E: f32 = 2;
/** Less than this of 1 - h counts as this: a prefix that nothing is left for but copies spreads in the end. */
const MIN_COLD: f32 = 0.03;
/** Tokens that one more request in flight costs: 5 ms at RATE. */
const D: f32 = 100;
/** With so many in flight one more costs twice as much: it slows all of them, and slots run out. */
const N: f32 = 64;
/** How much of what waits is balanced by requests. */
const W: f32 = 0.7;

/** The terms of one endpoint's cost. */
@unmanaged
export class Terms {
  queue: f32 = 0;
  uncached: f32 = 0;
  requests: f32 = 0;
  speed: f32 = 0;
  adapter: f32 = 0;
  cost: f32 = 0;
}

export const terms: Terms = changetype<Terms>(memory.data(24, 4));

/** Tokens of the prompt that the endpoint has to prefill. */
export function uncached(input: PickInput, entry: Entry): i32 {
  if (!input.prompt) return max(input.tokens, MIN_TOKENS);
  const blocks = matchPrefix(changetype<Prompt>(input.prompt), input.seed, entry);
  return max(input.tokens - <i32>((piecesOf(blocks) * blockBytes()) / TOKEN_BYTES), MIN_TOKENS);
}

/** q of the pick at hand. */
let waitingPerRequest: f32 = 0;
/** P of the pick at hand. */
export let prefillPrice: f32 = 1;

/** What all candidates have in common. */
function lookAtAll(view: SnapshotView, now: u64): void {
  const workers = workersBeside();
  let queues: f32 = 0;
  let requests: f32 = 0;
  let hot: f32 = 0;
  let capacity: f32 = 0;
  for (let i: u32 = 0; i < candidateCount(); i++) {
    const endpoint = view.linkEndpoint(candidateLink(i));
    const entry = entryOf(endpoint);
    queues += queueOf(entry, now, workers);
    requests += <f32>seenInFlight(endpoint);
    const clock = clockOf(entry.slot);
    hot += <f32>hotBlocks(clock);
    capacity += <f32>capacityOf(clock);
  }
  waitingPerRequest = requests > 0 ? queues / requests : 0;
  const share: f32 = capacity > 0 ? hot / capacity : 0;
  prefillPrice = C + ((1 + E) * share) / max<f32>(1 - share, MIN_COLD);
}

/** Costs of all candidates. */
export function tokenCosts(view: SnapshotView, model: u32, profile: Profile, input: PickInput): void {
  const count = candidateCount();
  if (input.prompt) {
    for (let i: u32 = 0; i < count; i++) {
      const entry = entryOf(view.linkEndpoint(candidateLink(i)));
      askForPrefix(changetype<Prompt>(input.prompt), input.seed, entry);
    }
  }
  lookAtAll(view, input.now);
  const median = medianSlowness(view);
  const worst = worstUnseen(view, profile, input);
  for (let i: u32 = 0; i < count; i++) {
    tokenTerms(view, model, candidateLink(i), profile, input, median, worst);
    setCandidateCost(i, terms.cost);
  }
}

/** Fills `terms`. */
export function tokenTerms(
  view: SnapshotView,
  model: u32,
  link: u32,
  profile: Profile,
  input: PickInput,
  median: f32,
  worst: f32,
): void {
  const endpoint = view.linkEndpoint(link);
  const entry = entryOf(endpoint);
  const seen = <f32>seenInFlight(endpoint);
  const unseen = unseenOf(view, endpoint, profile, input, worst);
  let queue = queueOf(entry, input.now, workersBeside());
  if (seen > 0 && unseen > 0) queue *= 1 + min<f32>(4, unseen / seen);
  terms.queue = queue;
  terms.uncached = <f32>uncached(input, entry);
  terms.requests = seen + unseen;
  terms.speed = speedFactor(entry, median);
  terms.adapter =
    view.modelKind(model) == MODEL_IS_ADAPTER ? adapterCost(view, link, entry, input.model, input.now) : 0;
  const waits: f32 = (1 - W) * queue + (D * (1 + terms.requests / N) + W * waitingPerRequest) * terms.requests;
  terms.cost = terms.speed * (waits + prefillPrice * terms.uncached) + terms.adapter;
}

/** No candidate's unseen requests count, because one of them does not tell. */
const DROPPED: f32 = -1;

/** What counts for a candidate that does not tell its requests (signals.ts): the most of the others where that is penalised. */
export function worstUnseen(view: SnapshotView, profile: Profile, input: PickInput): f32 {
  let worst: f32 = 0;
  for (let i: u32 = 0; i < candidateCount(); i++) {
    const endpoint = view.linkEndpoint(candidateLink(i));
    if (reportsRequests(view, endpoint, profile, input)) worst = max(worst, unseenInFlight(endpoint));
    else if (!profile.penalise) return DROPPED;
  }
  return worst;
}

/** Requests on the candidate that nobody here sent. `worst`: of worstUnseen(). */
export function unseenOf(view: SnapshotView, endpoint: u32, profile: Profile, input: PickInput, worst: f32): f32 {
  if (worst == DROPPED) return 0;
  return reportsRequests(view, endpoint, profile, input) ? unseenInFlight(endpoint) : worst;
}

/** Seconds until the first byte of a request with `tokens` to prefill, for a usual endpoint with `unseen` requests of others. */
export function predictedSeconds(entry: Entry, endpoint: u32, input: PickInput, tokens: f32, unseen: f32): f32 {
  const requests = <f32>seenInFlight(endpoint) + unseen;
  return (queueOf(entry, input.now, workersBeside()) + tokens + D * (requests + 1)) / RATE;
}
