// How fast an endpoint really is, learned from the first bytes of its streamed responses.
//
//   x = observed / predicted time to the first byte, within 0.2...5          predicted = (Q + u + d * (n + 1)) / rate
//   slowness = average of ln x, each sample at least RATE_OF_LEARNING of it     (a geometric average of x)
//   trust    = samples / (samples + PRIOR) * (1 - time since the last sample / FORGET), at least 0
//   s(p) = exp(trust(p) * (slowness(p) - median slowness of the candidates)), 1 within 0.67...1.5, at least 0.25, at most 8
//
// Q, u and n have the meaning of pick/token-cost.ts, and are read right after the request was counted. Only streamed responses
// count: other responses come whole, so their first byte comes with the last. An error that all endpoints share, such as a wrong
// rate, is in the median too and cancels out. `rate` is the endpoint's prefill rate (costs.ts).
//
// An endpoint of few samples differs little from the median, whatever the median is. And an endpoint that gets no request because it
// was slow is usual again after a minute, so that the filter finds out whether it still is slow.
import { Entry } from "./entry";

const MIN_RATIO: f32 = 0.2;
const MAX_RATIO: f32 = 5;
const RATE_OF_LEARNING: f32 = 0.01;
/** With this many samples an endpoint's difference from the median counts half. */
const PRIOR: f32 = 20;
/** Without a sample for so long, an endpoint is usual, ns. */
const FORGET: f32 = 60e9;
/** ln 1.5: a smaller difference from the median counts as none. */
const USUAL: f32 = 0.405465;
/** ln 0.25 and ln 8: bounds of the difference. */
const FASTEST: f32 = -1.386294;
const SLOWEST: f32 = 2.079442;

/** Learns from a streamed response that began at `now`, ns: `seconds` after its request was sent, where `predicted` were expected. */
export function learnSpeed(entry: Entry, seconds: f32, predicted: f32, now: u64): void {
  if (predicted <= 0) return;
  const speed = entry.speed;
  const x = min(max(seconds / predicted, MIN_RATIO), MAX_RATIO);
  if (speed.samples < 0xffff) speed.samples++;
  speed.slowness += max<f32>(1 / <f32>speed.samples, RATE_OF_LEARNING) * (Mathf.log(x) - speed.slowness);
  speed.at = now;
}

/** How much the endpoint's samples say, 0...1; without regard to their age. */
export function trustIn(entry: Entry): f32 {
  const samples = <f32>entry.speed.samples;
  return samples / (samples + PRIOR);
}

/** s(p) at `now`, ns: how many times as long as the usual candidate the endpoint takes. `median`: from pick/median-slowness.ts. */
export function speedFactor(entry: Entry, median: f32, now: u64): f32 {
  let difference = trustIn(entry) * (entry.speed.slowness - median);
  if (difference > -USUAL && difference < USUAL) return 1;
  const age: f32 = now > entry.speed.at ? <f32>(now - entry.speed.at) : 0;
  difference *= max<f32>(1 - age / FORGET, 0);
  if (difference > -USUAL && difference < USUAL) return 1;
  return Mathf.exp(min(max(difference, FASTEST), SLOWEST));
}
