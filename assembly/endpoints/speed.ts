// How fast an endpoint really is, learned from the first bytes of its streamed responses.
//
//   x = observed / predicted time to the first byte, within 0.2...5          predicted = (Q + u + D * (n + 1)) / rate
//   slowness = average of ln x, each sample RATE_OF_LEARNING of it           (a geometric average of x)
//   s(p) = exp(slowness(p) - median slowness of the candidates), 1 within 0.67...1.5, at least 0.25, at most 8
//
// Q, u and n have the meaning of pick/token-cost.ts, and are read right after the request was counted. Only streamed responses
// count: other responses come whole, so their first byte comes with the last. An error that all endpoints share, such as a wrong
// rate, is in the median too and cancels out. `rate` is the endpoint's prefill rate (costs.ts).
import { Entry } from "./entry";

const MIN_RATIO: f32 = 0.2;
const MAX_RATIO: f32 = 5;
const RATE_OF_LEARNING: f32 = 0.01;
/** The average begins as if this many samples of a usual endpoint had come before. */
const PRIOR: u32 = 20;
/** ln 1.5: a smaller difference from the median counts as none. */
const USUAL: f32 = 0.405465;
/** ln 0.25 and ln 8: bounds of the difference. */
const FASTEST: f32 = -1.386294;
const SLOWEST: f32 = 2.079442;

/** Learns from a streamed response that began `seconds` after its request was sent, where `predicted` seconds were expected. */
export function learnSpeed(entry: Entry, seconds: f32, predicted: f32): void {
  if (predicted <= 0) return;
  const x = min(max(seconds / predicted, MIN_RATIO), MAX_RATIO);
  const rate = max<f32>(1 / <f32>(entry.speed.samples + PRIOR), RATE_OF_LEARNING);
  if (entry.speed.samples < 0xffff) entry.speed.samples++;
  entry.speed.slowness += rate * (Mathf.log(x) - entry.speed.slowness);
}

/** s(p): how many times as long as the usual candidate the endpoint takes. `median`: from pick/median-slowness.ts. */
export function speedFactor(entry: Entry, median: f32): f32 {
  if (entry.speed.samples == 0) return 1;
  const difference = entry.speed.slowness - median;
  if (difference > -USUAL && difference < USUAL) return 1;
  return Mathf.exp(min(max(difference, FASTEST), SLOWEST));
}
