// Estimates how many requests a second a pool can serve, so that a load is the same fraction of saturation on any hardware.
//
// A saturated pod has a batch of B sequences. A step makes B tokens, so B / O requests end in each step, and B / O · U prompt tokens
// are computed in it. A request therefore takes
//
//   O · (stepBaseMs / B + sequenceMs + contextTokenMs · C) + U · prefillTokenMs        ms of a pod of speed 1
//
//   O  mean output tokens
//   U  mean prompt tokens that are not cached
//   C  mean context: the prompt and half of the output
//   B  slots, or fewer where the KV blocks have room for fewer sequences, or the token budget for fewer prefills. Running sequences share
//      blocks: with a hit rate h, a share h of the cached tokens is counted for another sequence. So a sequence needs (1 - h²) of its
//      prompt, and half of its output.
//
// Checked against saturated pods (tests/bench/capacity.test.ts). Loads multiply their rate by the ratio of two such estimates.

import { type Holding, KvCache } from "../../simulator/engine/kv-cache.ts";
import type { PodParams } from "../../simulator/params.ts";
import type { SimRequest } from "./request.ts";

/** Returns the requests a second that the pods can serve together. `requests` are a sample of the load, in order of arrival. */
export function poolCapacity(pods: readonly PodParams[], requests: readonly SimRequest[]): number {
  const mean = (of: (request: SimRequest) => number) =>
    requests.reduce((sum, request) => sum + of(request), 0) / requests.length;
  const output = mean(({ outputTokens }) => outputTokens);
  const prompt = mean(({ prompt: { tokens } }) => tokens);
  const hits = hitRate(pods, requests);
  const uncached = prompt * (1 - hits);
  const context = prompt + output / 2;
  let sum = 0;
  for (const params of pods) {
    const byCache = (params.kvBlocks * params.blockSize) / (prompt * (1 - hits * hits) + output / 2);
    const byBudget = params.tokenBudget / (1 + uncached / output);
    const batch = Math.max(1, Math.min(params.slots, byCache, byBudget));
    const decode = output * (params.stepBaseMs / batch + params.sequenceMs + params.contextTokenMs * context);
    sum += (1000 * params.speed) / (decode + uncached * params.prefillTokenMs);
  }
  return sum;
}

/**
 * The share of the prompt tokens that one cache with the blocks of all pods would have, second levels included. The cache is empty at first, as in a run: on slow
 * pods the first copies of long prompts are a large part of the work.
 */
function hitRate(pods: readonly PodParams[], requests: readonly SimRequest[]): number {
  const { blockSize } = pods[0] as PodParams;
  const cache = new KvCache(
    pods.reduce((sum, { kvBlocks, offloadBlocks }) => sum + Math.max(kvBlocks, offloadBlocks), 0),
    blockSize,
  );
  let hits = 0;
  let tokens = 0;
  for (const { prompt, outputTokens } of requests) {
    const holding: Holding = { hashes: prompt.hashes, blocks: [], plain: 0 };
    const matched = cache.match(prompt.hashes, Math.floor((prompt.tokens - 1) / blockSize));
    cache.admit(holding, prompt.tokens + outputTokens);
    cache.release(holding);
    hits += matched * blockSize;
    tokens += prompt.tokens;
  }
  return hits / tokens;
}
