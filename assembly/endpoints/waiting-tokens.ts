// Prompt tokens that wait on each endpoint for their first output token, as far as this Envoy sent them: Entry.tokens (entry.ts).
// `queue` is an estimate of what is still to be prefilled: it rises with every request, drains at RATE as time passes, and never
// exceeds what is pending.
import { Entry } from "./entry";
import { remoteTokensGuessed } from "./remote";

/** Tokens a second that an endpoint prefills. Picks hardly depend on it from a quarter to twice this value (RATIONALE.md). */
export const RATE: f32 = 20000;

/** Uncached tokens before the endpoint at `now`, ns. Each of `workers` others is assumed to have sent what this worker sent since it published. */
export function queueOf(entry: Entry, now: u64, workers: i32): f32 {
  const tokens = entry.tokens;
  const pending = <f32>(tokens.pending + tokens.othersPending);
  const unpublished = tokens.sent - tokens.publishedSent;
  const guessed = unpublished > 0 ? <f32>unpublished * <f32>workers : 0;
  return min<f32>(drained(entry, now), pending) + guessed + remoteTokensGuessed(entry);
}

function drained(entry: Entry, now: u64): f32 {
  const tokens = entry.tokens;
  const seconds: f32 = now > tokens.queueAt ? <f32>(now - tokens.queueAt) * 1e-9 : 0;
  return max<f32>(tokens.queue - seconds * RATE, 0);
}

/** A request with `count` tokens to prefill was sent. */
export function tokensSent(entry: Entry, count: i32, now: u64): void {
  const tokens = entry.tokens;
  tokens.queue = drained(entry, now) + <f32>count;
  tokens.queueAt = now;
  tokens.pending += count;
  tokens.sent += count;
}

/** The request has its first byte, or ended without one. */
export function tokensDone(entry: Entry, count: i32): void {
  entry.tokens.pending -= count;
}

/** All tokens that this worker ever sent there, which are published now. */
export function tokensPublished(entry: Entry): i32 {
  entry.tokens.publishedSent = entry.tokens.sent;
  return entry.tokens.sent;
}

/** Nothing is known of the other workers. */
export function forgetOthersTokens(entry: Entry): void {
  entry.tokens.othersPending = 0;
  entry.tokens.workersPending = 0;
}

// ---- a round of the exchange (in-flight.ts) -----------------------------------------------------------------------------

export function beginOthersTokens(entry: Entry): void {
  entry.tokens.receivedPending = 0;
  entry.tokens.receivedSent = 0;
}

/** What one worker published: its pending tokens, and all that it ever sent. */
export function addOthersTokens(entry: Entry, pending: i32, sent: i32): void {
  entry.tokens.receivedPending += pending;
  entry.tokens.receivedSent += sent;
}

/** Takes over what was added, and what other Envoys have. */
export function endOthersTokens(entry: Entry, now: u64): void {
  const tokens = entry.tokens;
  tokens.workersPending = tokens.receivedPending;
  tokens.workersSent = tokens.receivedSent;
  const pending = tokens.receivedPending + entry.remote.pending;
  const sent = tokens.receivedSent + entry.remote.sent;
  const fresh = sent - tokens.othersSent;
  tokens.othersSent = sent;
  tokens.othersPending = pending;
  // A worker that came or went makes the sum jump. What is pending bounds what can be new.
  if (fresh <= 0) return;
  tokens.queue = drained(entry, now) + <f32>min(fresh, pending);
  tokens.queueAt = now;
}
