// Waiting tokens of each endpoint: Entry.tokens (entry.ts). `queue` estimates how many of them are still to be prefilled. The
// estimate rises with every request, drains at the endpoint's prefill rate (costs.ts) as time passes, and never exceeds the waiting
// tokens.
import { rateOf } from "./costs";
import { Entry } from "./entry";
import { remoteTokensGuessed } from "./remote";

/**
 * Uncached tokens that the endpoint has still to prefill at `now`, ns. Each of `workers` other workers is assumed to have sent
 * as many tokens as this worker since this worker last published.
 */
export function queueOf(entry: Entry, now: u64, workers: i32): f32 {
  const tokens = entry.tokens;
  const waiting = <f32>(tokens.waiting + tokens.othersWaiting);
  const unpublished = tokens.sent - tokens.publishedSent;
  const guessed = unpublished > 0 ? <f32>unpublished * <f32>workers : 0;
  return min<f32>(drained(entry, now), waiting) + guessed + remoteTokensGuessed(entry);
}

/** Uncached tokens of requests without a first byte, of this worker and of all others that published. */
export function waitingTokens(entry: Entry): f32 {
  return <f32>max(entry.tokens.waiting + entry.tokens.othersWaiting, 0);
}

function drained(entry: Entry, now: u64): f32 {
  const tokens = entry.tokens;
  const seconds: f32 = now > tokens.queueAt ? <f32>(now - tokens.queueAt) * 1e-9 : 0;
  return max<f32>(tokens.queue - seconds * rateOf(entry), 0);
}

/** Adds a request that was sent with `count` tokens to prefill. */
export function tokensSent(entry: Entry, count: i32, now: u64): void {
  const tokens = entry.tokens;
  tokens.queue = drained(entry, now) + <f32>count;
  tokens.queueAt = now;
  tokens.waiting += count;
  tokens.sent += count;
}

/** Removes the `count` tokens of a request that has its first byte, or ended without a first byte. */
export function tokensDone(entry: Entry, count: i32): void {
  entry.tokens.waiting -= count;
}

/** Tokens that this worker ever sent to the endpoint. The caller publishes them now, and this function remembers that. */
export function tokensPublished(entry: Entry): i32 {
  entry.tokens.publishedSent = entry.tokens.sent;
  return entry.tokens.sent;
}

/** Forgets the tokens of the other workers. */
export function forgetOthersTokens(entry: Entry): void {
  entry.tokens.othersWaiting = 0;
  entry.tokens.workersWaiting = 0;
}

// ---- a round of the exchange (in-flight.ts) -----------------------------------------------------------------------------

export function beginOthersTokens(entry: Entry): void {
  entry.tokens.receivedWaiting = 0;
  entry.tokens.receivedSent = 0;
}

/** Adds the counts that one worker published: its waiting tokens, and the tokens that it ever sent. */
export function addOthersTokens(entry: Entry, waiting: i32, sent: i32): void {
  entry.tokens.receivedWaiting += waiting;
  entry.tokens.receivedSent += sent;
}

/** Takes over the sums of the round, and the counts of other Envoys. */
export function endOthersTokens(entry: Entry, now: u64): void {
  const tokens = entry.tokens;
  tokens.workersWaiting = tokens.receivedWaiting;
  tokens.workersSent = tokens.receivedSent;
  const waiting = tokens.receivedWaiting + entry.remote.waiting;
  const sent = tokens.receivedSent + entry.remote.sent;
  const fresh = sent - tokens.othersSent;
  tokens.othersSent = sent;
  tokens.othersWaiting = waiting;
  // The sum jumps when a worker comes or goes. So at most the waiting tokens count as new.
  if (fresh <= 0) return;
  tokens.queue = drained(entry, now) + <f32>min(fresh, waiting);
  tokens.queueAt = now;
}
