// The word of an endpoint in a shared record (workers/shared-load.ts): the sum over all workers of this Envoy.
//
//   bits  0...19  in-flight requests
//   bits 20...41  waiting tokens, in units of UNIT_TOKENS
//   bits 42...63  tokens that were sent since the record's epoch began, in units; wraps
//
// A worker's share is what the worker has added. Shares are words too, so one 64-bit addition changes all three counts. A share has
// at most the MAX_WORKERS-th part of the largest number that a field can have, so that no sum of shares overflows into the next field.

/** Most workers that can have a share. */
export const MAX_WORKERS: u32 = 128;
/** Waiting tokens are rounded to a multiple of this. A pick counts each prompt as at least this long (MIN_TOKENS of pick/token-cost.ts). */
export const UNIT_TOKENS: i32 = 16;

const REQUEST_BITS: u32 = 20;
const WAITING_BITS: u32 = 22;
const SENT_BITS: u32 = 64 - REQUEST_BITS - WAITING_BITS;
const REQUEST_MASK: u64 = (1 << REQUEST_BITS) - 1;
const WAITING_MASK: u64 = (1 << WAITING_BITS) - 1;
/** A worker has no more than this in its share: 8,191 requests, and 524,272 waiting tokens. */
const MAX_REQUESTS: i32 = (1 << REQUEST_BITS) / MAX_WORKERS - 1;
const MAX_WAITING: i32 = (1 << WAITING_BITS) / MAX_WORKERS - 1;

/** A share with these counts. `sent`: units that the share had already, and those that came since. */
export function shareOf(requests: i32, waiting: i32, sent: u64): u64 {
  const whole = <u64>min(max(requests, 0), MAX_REQUESTS);
  const units = <u64>min(max(unitsOf(waiting), 0), MAX_WAITING);
  return whole | (units << REQUEST_BITS) | (sent << (REQUEST_BITS + WAITING_BITS));
}

/** Units of so many tokens, to the nearest. */
export function unitsOf(tokens: i32): i32 {
  return (tokens + UNIT_TOKENS / 2) >> 4;
}

export function requestsIn(word: u64): i32 {
  return <i32>(word & REQUEST_MASK);
}

/** Units of waiting tokens. */
export function waitingIn(word: u64): i32 {
  return <i32>((word >> REQUEST_BITS) & WAITING_MASK);
}

export function sentIn(word: u64): u64 {
  return word >> (REQUEST_BITS + WAITING_BITS);
}

/** Tokens that were sent between two words of one epoch. Negative only if the words are not in this order. */
export function sentBetween(before: u64, after: u64): i32 {
  const difference = <i32>(sentIn(after) - sentIn(before));
  return ((difference << (32 - SENT_BITS)) >> (32 - SENT_BITS)) * UNIT_TOKENS;
}
