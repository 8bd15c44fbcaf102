// How fast an endpoint really is, learnt from when its streamed answers begin.
//
//   x = observed / predicted time to the first byte, within 0.2...5          predicted = (Q + u + D * (n + 1)) / RATE
//   slowness = average of ln x, each sample RATE_OF_LEARNING of it           (a geometric average of x)
//   s(p) = exp(slowness(p) - median of the candidates'), 1 within 0.67...1.5, at least 0.25, at most 8
//
// Q, u and n are those at the pick (pick/token-cost.ts). Only streamed answers count: the first byte of others is their last. What is
// common to all endpoints, such as a RATE that is wrong, is in the median too and cancels out.

import { candidateCount, candidateLink } from "../pick/candidates";
import { SnapshotView } from "../snapshot/view";
import { Entry, entryOf } from "./entries";

const LEAST: f32 = 0.2;
const MOST: f32 = 5;
const RATE_OF_LEARNING: f32 = 0.01;
/** The first samples count as if this many of a usual endpoint had come before. */
const PRIOR: u32 = 20;
/** ln 1.5. */
const USUAL: f32 = 0.405465;
/** ln 0.25, ln 8. */
const FASTEST: f32 = -1.386294;
const SLOWEST: f32 = 2.079442;
/** Of more candidates only these are looked at for the median: it does not need them all. */
const MAX_SORTED: u32 = 32;

const sorted: usize = memory.data(128, 4);

/** A streamed answer began `seconds` after it was sent; `predicted` were thought. */
export function learnSpeed(entry: Entry, seconds: f32, predicted: f32): void {
  if (predicted <= 0) return;
  const x = min(max(seconds / predicted, LEAST), MOST);
  const rate = max<f32>(1 / <f32>(entry.samples + PRIOR), RATE_OF_LEARNING);
  if (entry.samples < 0xffff) entry.samples++;
  entry.slowness += rate * (Mathf.log(x) - entry.slowness);
}

/** Median slowness of the candidates that have any. */
export function medianSlowness(view: SnapshotView): f32 {
  let n: u32 = 0;
  const count = candidateCount();
  for (let i: u32 = 0; i < count && n < MAX_SORTED; i++) {
    const entry = entryOf(view.linkEndpoint(candidateLink(i)));
    if (entry.samples == 0) continue;
    const x = entry.slowness;
    let at = n++;
    for (; at > 0 && load<f32>(sorted + (at - 1) * 4) > x; at--)
      store<f32>(sorted + at * 4, load<f32>(sorted + (at - 1) * 4));
    store<f32>(sorted + at * 4, x);
  }
  if (n == 0) return 0;
  const middle = sorted + (n >> 1) * 4;
  return n & 1 ? load<f32>(middle) : (load<f32>(middle) + load<f32>(middle - 4)) / 2;
}

/** How many times as long as for the usual candidate everything takes there. */
export function speedFactor(entry: Entry, median: f32): f32 {
  if (entry.samples == 0) return 1;
  const difference = entry.slowness - median;
  if (difference > -USUAL && difference < USUAL) return 1;
  return Mathf.exp(min(max(difference, FASTEST), SLOWEST));
}
