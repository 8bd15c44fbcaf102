// Prompt tokens that wait on each endpoint for their first output token, as far as this Envoy sent them.
//   pending       of this worker's requests without a first byte: exact
//   othersPending what the other workers, and other Envoys, last told
//   queue         an estimate of what is still to be prefilled: rises with every request, drains at RATE as time passes,
//                 and never exceeds what is pending
import { Entry } from "./entries";
import { remoteTokensGuessed } from "./remote";

/** Tokens a second that an endpoint prefills. The rule is flat in it from a quarter to twice this (RATIONALE.md). */
export const RATE: f32 = 20000;

/** Uncached tokens before the endpoint at `now`, ns. `workers` others are taken to have sent what this one did since it told. */
export function queueOf(entry: Entry, now: u64, workers: i32): f32 {
  const pending = <f32>(entry.pending + entry.othersPending);
  const unsaid = entry.sent - entry.publishedSent;
  const guessed = unsaid > 0 ? <f32>unsaid * <f32>workers : 0;
  return min<f32>(drained(entry, now), pending) + guessed + remoteTokensGuessed(entry);
}

function drained(entry: Entry, now: u64): f32 {
  const seconds: f32 = now > entry.queueAt ? <f32>(now - entry.queueAt) * 1e-9 : 0;
  return max<f32>(entry.queue - seconds * RATE, 0);
}

/** A request with `tokens` to prefill was sent. */
export function tokensSent(entry: Entry, tokens: i32, now: u64): void {
  entry.queue = drained(entry, now) + <f32>tokens;
  entry.queueAt = now;
  entry.pending += tokens;
  entry.sent += tokens;
}

/** The request has its first byte, or ended without one. */
export function tokensDone(entry: Entry, tokens: i32): void {
  entry.pending -= tokens;
}

/** Takes over what the others told in a round of the exchange: their pending tokens, and the sum of all they ever sent. */
export function receiveTokens(entry: Entry, now: u64): void {
  entry.workersPending = entry.heardPending;
  entry.workersSent = entry.heardSent;
  entry.heardPending += entry.remotePending;
  entry.heardSent += entry.remoteSent;
  const fresh = entry.heardSent - entry.othersSent;
  entry.othersSent = entry.heardSent;
  entry.othersPending = entry.heardPending;
  // A worker that came or went makes the sum jump: what is pending bounds what can be new.
  if (fresh <= 0) return;
  entry.queue = drained(entry, now) + <f32>min(fresh, entry.heardPending);
  entry.queueAt = now;
}
