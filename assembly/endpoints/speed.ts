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
// All workers of an Envoy learn one value. A worker adds its own samples to its value at once. From time to time it adds them to the
// common value (workers/shared-speed.ts), and goes on from there. To add k samples at once is the same as to add k samples of their mean:
//
//   slowness += k / (n + k) * (mean - slowness)         while the n samples are fewer than 1 / RATE_OF_LEARNING
//   slowness += (1 - (1 - RATE_OF_LEARNING)^k) * (mean - slowness)         from then on
//
// An endpoint of few samples differs little from the median, whatever the median is. And an endpoint that gets no request because it
// was slow is usual again after a minute, so that the filter finds out whether it still is slow.
import { findEntry } from "./entries";
import { Entry, Speed } from "./entry";

const MIN_RATIO: f32 = 0.2;
const MAX_RATIO: f32 = 5;
/** ln MIN_RATIO and ln MAX_RATIO: bounds of the slowness. */
const LEAST: f32 = -1.609438;
const MOST: f32 = 1.609438;
const RATE_OF_LEARNING: f32 = 0.01;
/** 1 / RATE_OF_LEARNING. */
const PLAIN_SAMPLES: u32 = 100;
const MAX_SAMPLES: u32 = 0xffff;
/** With this many samples an endpoint's difference from the median counts half. */
const PRIOR: f32 = 20;
/** Without a sample for so long, an endpoint is usual, ns. */
const FORGET: f32 = 60e9;
/** ln 1.5: a smaller difference from the median counts as none. */
const USUAL: f32 = 0.405465;
/** ln 0.25 and ln 8: bounds of the difference. */
const FASTEST: f32 = -1.386294;
const SLOWEST: f32 = 2.079442;

/** Endpoints that can have fresh samples at a time. Samples of further endpoints do not become common. */
const MAX_FRESH: u32 = 512;
/** The hashes of the endpoints with fresh samples, a u64 each. */
const freshEndpoints: usize = heap.alloc(MAX_FRESH * 8);
let freshCount: u32 = 0;

/** Learns from a streamed response that began at `now`, ns: `seconds` after its request was sent, where `predicted` were expected. */
export function learnSpeed(entry: Entry, seconds: f32, predicted: f32, now: u64): void {
  if (predicted <= 0) return;
  const speed = entry.speed;
  const sample = Mathf.log(min(max(seconds / predicted, MIN_RATIO), MAX_RATIO));
  addSamples(speed, 1, sample);
  speed.at = now;
  if (speed.fresh == 0) {
    if (freshCount == MAX_FRESH) return;
    store<u64>(freshEndpoints + freshCount++ * 8, entry.hash);
  }
  if (speed.fresh == MAX_SAMPLES) return;
  speed.fresh++;
  speed.freshSum += sample;
}

/** Adds `count` samples whose mean is `mean`, by the formula at the top. */
function addSamples(speed: Speed, count: u32, mean: f32): void {
  const known: u32 = speed.samples;
  const plain = min(count, PLAIN_SAMPLES - min(known, PLAIN_SAMPLES));
  const rest = count - plain;
  speed.samples = <u16>min(known + count, MAX_SAMPLES);
  if (plain > 0) speed.slowness += (<f32>plain / <f32>(known + plain)) * (mean - speed.slowness);
  if (rest == 0) return;
  const weight = rest == 1 ? RATE_OF_LEARNING : 1 - Mathf.pow(1 - RATE_OF_LEARNING, <f32>rest);
  speed.slowness += weight * (mean - speed.slowness);
}

// ---- the common value ---------------------------------------------------------------------------------------------------

/** The value that all workers have in common of one endpoint. */
@unmanaged
export class CommonSpeed {
  /** Hash of the endpoint's address; 0: the record is free. */
  endpoint: u64 = 0;
  at: u64 = 0;
  slowness: f32 = 0;
  /** How many times workers have added samples to it (wraps). */
  additions: u32 = 0;
  samples: u64 = 0;
}

/** Number of endpoints with samples of this worker that are not in the common value. */
export function freshSpeeds(): u32 {
  return freshCount;
}

/** The hash of endpoint `i` of them. */
export function freshSpeedAt(i: u32): u64 {
  return load<u64>(freshEndpoints + i * 8);
}

/** Call when the samples of endpoint `i` of them are in the common value. The last of them takes its place. */
export function freshSpeedPublished(i: u32): void {
  const entry = findEntry(freshSpeedAt(i));
  store<u64>(freshEndpoints + i * 8, freshSpeedAt(--freshCount));
  if (entry === null) return;
  const speed = entry.speed;
  speed.additions++;
  speed.fresh = 0;
  speed.freshSum = 0;
}

/**
 * Takes over a common value at `now`, ns, and adds this worker's fresh samples to it. A value that is not newer than this worker's,
 * or out of its bounds, is ignored.
 */
export function receiveSpeed(common: CommonSpeed, now: u64): void {
  const entry = findEntry(common.endpoint);
  if (entry === null || !(common.slowness >= LEAST && common.slowness <= MOST)) return;
  const speed = entry.speed;
  if (common.samples == 0 || common.samples > MAX_SAMPLES) return;
  if (speed.samples > 0 && <i32>(common.additions - speed.additions) <= 0) return;
  const at = min(common.at, now);
  speed.additions = common.additions;
  speed.slowness = common.slowness;
  speed.samples = <u16>common.samples;
  speed.at = speed.fresh ? max(speed.at, at) : at;
  if (speed.fresh) addSamples(speed, speed.fresh, speed.freshSum / <f32>speed.fresh);
}

/** Writes this worker's value as the next common value. */
export function writeSpeed(entry: Entry, target: CommonSpeed): void {
  target.endpoint = entry.hash;
  target.additions = entry.speed.additions + 1;
  target.at = entry.speed.at;
  target.slowness = entry.speed.slowness;
  target.samples = entry.speed.samples;
}

// ---- what a pick reads --------------------------------------------------------------------------------------------------

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
