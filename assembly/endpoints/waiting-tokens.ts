// Waiting tokens of each endpoint: Entry.tokens (entry.ts). `queue` estimates how many of them are still to be prefilled. The
// estimate rises with every request, drains at the endpoint's prefill rate (costs.ts) as time passes, and never exceeds the waiting
// tokens.
import { rateOf } from "./costs";
import { Entry } from "./entry";
import { remoteTokensGuessed } from "./remote";

/** Uncached tokens that the endpoint has still to prefill at `now`, ns. */
export function queueOf(entry: Entry, now: u64): f32 {
  return min<f32>(drained(entry, now), waitingTokens(entry)) + remoteTokensGuessed(entry);
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

/** Takes over the waiting tokens of the other workers of this Envoy, and the tokens that they ever sent. Adds the other Envoys' tokens. */
export function setWorkersTokens(entry: Entry, workersWaiting: i32, workersSent: i32, now: u64): void {
  const tokens = entry.tokens;
  tokens.workersWaiting = workersWaiting;
  tokens.workersSent = workersSent;
  const waiting = workersWaiting + entry.remote.waiting;
  const sent = workersSent + entry.remote.sent;
  // The sum of tokens ever sent jumps when a worker or an Envoy comes or goes. So the rise of the waiting tokens counts as new at least, and
  // all waiting tokens at most.
  const fresh = max(sent - tokens.othersSent, waiting - tokens.othersWaiting);
  tokens.othersSent = sent;
  tokens.othersWaiting = waiting;
  if (fresh <= 0) return;
  tokens.queue = drained(entry, now) + <f32>min(fresh, waiting);
  tokens.queueAt = now;
}
