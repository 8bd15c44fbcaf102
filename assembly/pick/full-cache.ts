// The cost of an endpoint whose KV cache is full (profile "tokens", token-cost.ts). A server admits a prompt only when its cache has
// room for the prompt. So a prompt that does not fit waits until enough responses have ended there, however fast the server prefills.
//
//   f(p) = R * D * max(0, k + w + u - FULL * K) / max(k, LEAST * K)
//
//   K  tokens that the cache has room for, by the snapshot
//   k  tokens of running requests: the KV-cache usage of the last scrape, times K
//   w  waiting tokens on p (endpoints/waiting-tokens.ts)
//   u  uncached tokens of this prompt on p, at most FULL * K: a longer estimate is wrong, because the server would refuse such a prompt
//   D  mean seconds from a first byte to the end of its response (endpoints/durations.ts). In D seconds the running requests leave
//      their k tokens
//   R  mean prefill rate of the candidates, so that the cost is in tokens
//
// If one candidate's server reports neither size nor usage, the term counts for none (signals.ts).
import { ENDPOINT_BLOCK_TOKENS, ENDPOINT_KV_BLOCKS } from "../../protocol/constants";
import { usualDuration } from "../endpoints/durations";
import { Entry } from "../endpoints/entry";
import { waitingTokens } from "../endpoints/waiting-tokens";
import { SnapshotView } from "../snapshot/view";
import { Candidates } from "./candidates";
import { PickInput } from "./pick-input";
import { Profile } from "./profile";
import { kvOf } from "./signals";

/** The part of a cache that can be taken. With 0.9 pods that are full all the time would lose their prompts to pods without them. */
const FULL: f32 = 1;
/** Bound of the divisor: a cache without running requests is not full for long. */
const LEAST: f32 = 0.1;

/** Whether every candidate's server reports how large its KV cache is, and how much of the cache is taken. */
export function knowCaches(candidates: Candidates, profile: Profile, input: PickInput): bool {
  const view = candidates.view;
  for (let i: u32 = 0; i < candidates.count; i++) {
    const endpoint = candidates.endpoint(i);
    if (roomOf(view, endpoint) == 0 || kvOf(view, endpoint, profile, input) < 0) return false;
  }
  return true;
}

/** K of the formula; 0: not known. */
function roomOf(view: SnapshotView, endpoint: u32): f32 {
  const record = view.endpoint(endpoint);
  return <f32>load<u32>(record, ENDPOINT_KV_BLOCKS) * <f32>load<u32>(record, ENDPOINT_BLOCK_TOKENS);
}

/** f of the formula, for a candidate of which knowCaches() was true. `uncached`: u. `rate`: R, tokens a second. */
export function fullCacheCost(
  view: SnapshotView,
  endpoint: u32,
  entry: Entry,
  profile: Profile,
  input: PickInput,
  uncached: f32,
  rate: f32,
): f32 {
  const room = roomOf(view, endpoint);
  const taken = <f32>kvOf(view, endpoint, profile, input) * room;
  const missing = taken + waitingTokens(entry) + min(uncached, FULL * room) - FULL * room;
  if (missing <= 0) return 0;
  return (rate * usualDuration() * missing) / max<f32>(taken, LEAST * room);
}
