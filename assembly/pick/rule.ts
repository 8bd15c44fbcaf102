// The rule of profile "tokens": one cost in prompt tokens, the lowest wins, ties at random.
//
//   cost(p) = Q(p) + (1 + E) * u(p) + D * n(p) + adapter(p)
//
//   Q  uncached tokens that wait on p for their first output token (tokens.ts)
//   u  uncached tokens of this prompt there: max(16, T - match), T = prompt bytes / 4, match from prefix.ts
//   n  requests in flight on p, from all traffic as far as it is known (inflight.ts, unseen averaged over 2 s)
//   adapter  one second of prefill when the adapter is neither loaded there nor lately sent there, and the time of a
//            request for each one that has to wait for a slot
//
// Q grows with traffic that other gateways sent: Q * (1 + min(4, unseen / n seen)).
// Source: simulation of the field's rules on vLLM-like pods; `make sim` repeats it.
import { ADAPTER_LISTED, MODEL_ENDPOINT_STATE, MODEL_IS_ADAPTER } from "../../protocol/constants";
import { SnapshotView } from "../snapshot/view";
import { Entry, entryOf } from "./entries";
import { seenInFlight, unseenInFlight, workersBeside } from "./inflight";
import { matchPrefix } from "./prefix";
import { BLOCK_BYTES, Prompt } from "./prompt";
import { queueOf, RATE } from "./tokens";

const TOKEN_BYTES: u32 = 4;
const LEAST_TOKENS: i32 = 16;
/** What a prefill takes from the requests that decode meanwhile. */
const E: f32 = 1;
/** Tokens that one more request in flight costs: 20 ms at RATE. */
const D: f32 = 400;

/** What the request is, for all candidates alike. */
@unmanaged
export class Work {
  now: u64 = 0;
  /** Hash of model and cache_salt. */
  seed: u64 = 0;
  /** pick/prompt.ts Prompt; 0: the body was not hashed. */
  prompt: usize = 0;
  /** Tokens of the whole prompt. */
  tokens: i32 = 0;
}

export function newWork(): Work {
  return changetype<Work>(heap.alloc(offsetof<Work>()));
}

/** Tokens of the prompt that the endpoint has to prefill. */
export function uncached(work: Work, entry: Entry): i32 {
  if (!work.prompt) return max(work.tokens, LEAST_TOKENS);
  const blocks = matchPrefix(changetype<Prompt>(work.prompt), work.seed, entry);
  return max(work.tokens - <i32>((blocks * BLOCK_BYTES) / TOKEN_BYTES), LEAST_TOKENS);
}

export function tokenCost(view: SnapshotView, model: u32, link: u32, work: Work): f32 {
  const endpoint = view.linkEndpoint(link);
  const entry = entryOf(endpoint);
  const workers = workersBeside();
  const seen = seenInFlight(endpoint);
  const unseen = unseenInFlight(endpoint);
  let queue = queueOf(entry, work.now, workers);
  if (seen > 0 && unseen > 0) queue *= 1 + min<f32>(4, unseen / <f32>seen);
  const adapter = view.modelKind(model) == MODEL_IS_ADAPTER ? adapterCost(view, link) : 0;
  return queue + (1 + E) * <f32>uncached(work, entry) + D * (<f32>seen + unseen) + adapter;
}

function adapterCost(view: SnapshotView, link: u32): f32 {
  return load<u8>(view.links + link * view.linkStride, MODEL_ENDPOINT_STATE) == ADAPTER_LISTED ? RATE : 0;
}
