// Corrects the capacity that the sidecar believes of the caches of a model's servers, by comparing the prompt tokens that the
// servers found in their caches with those that the filters expected there.
//
//   more found than expected   the caches hold more than the filters believe, such as blocks in a store that no label names
//   fewer                      they hold less
//
// A wrong correction does harm: where the caches just hold all prompts, an index that is too small or too large sends prompts to
// further servers, where they evict other prompts. Then both numbers fall alike, and nothing says that the correction was wrong.
// So a step needs strong evidence, and is small:
//
//   - at least PERIOD_MS and MIN_WINDOWS windows and MIN_TOKENS tokens
//   - nearly all requests are ours, since others fill the caches too
//   - the servers agree (window-servers.ts): a single server that claims many hits, or none, changes little
//   - all of it differs by more than DEADBAND, and AGREEING of the windows differ in the same direction
//
// A step goes a part of the way, and the next one needs new evidence. A filter's expectation follows the correction, so a step that
// went too far is taken back. Where a label says that there is a store outside the GPU's memory, but not how many blocks it holds,
// steps upwards may be larger.
import type { TrafficWindow } from "./model-windows.ts";

const PERIOD_MS = 60_000;
const MIN_WINDOWS = 20;
const MIN_TOKENS = 200_000;
const MAX_FOREIGN = 0.05;
/** Logarithm of found / expected up to which there is no step: a filter's blocks are coarser than a server's. */
const DEADBAND = Math.log(1.3);
const AGREEING = 0.9;
const MAX_STEP = Math.log(1.25);
const MAX_STEP_WITH_STORE = Math.log(2);
const MIN_FACTOR = 0.25;
const MAX_FACTOR = 16;

export class CapacityFit {
  #factor = 1;
  #ms = 0;
  #foundLow = 0;
  #foundHigh = 0;
  #expected = 0;
  /** Windows in which more, and fewer, tokens were found than expected. */
  #more = 0;
  #fewer = 0;
  #windows = 0;

  /** By what the believed capacity is multiplied. */
  get factor(): number {
    return this.#factor;
  }

  /** `store`: whether the servers have a store of unknown size outside the GPU's memory. */
  add({ ms, cached, requests, own }: TrafficWindow, store = false): void {
    if (cached === undefined || requests <= 0) return;
    if (Math.abs(requests - own.requests) > MAX_FOREIGN * requests) {
      this.#forget();
      return;
    }
    this.#ms += ms;
    this.#windows++;
    this.#foundLow += cached.low;
    this.#foundHigh += cached.high;
    this.#expected += own.cachedTokens;
    if (cached.low > own.cachedTokens) this.#more++;
    else if (cached.high < own.cachedTokens) this.#fewer++;
    if (this.#ms < PERIOD_MS || this.#windows < MIN_WINDOWS) return;
    if (Math.max(this.#foundHigh, this.#expected) < MIN_TOKENS) return;
    const above = Math.max(0, Math.log((this.#foundLow + 1) / (this.#expected + 1)));
    const difference = above + Math.min(0, Math.log((this.#foundHigh + 1) / (this.#expected + 1)));
    const agreeing = difference > 0 ? this.#more : this.#fewer;
    if (Math.abs(difference) > DEADBAND && agreeing >= AGREEING * this.#windows) {
      const most = store ? MAX_STEP_WITH_STORE : MAX_STEP;
      const step = Math.min(most, Math.max(-MAX_STEP, store && difference > 0 ? difference : difference / 2));
      this.#factor = Math.min(MAX_FACTOR, Math.max(MIN_FACTOR, this.#factor * Math.exp(step)));
    }
    this.#forget();
  }

  #forget(): void {
    this.#ms = 0;
    this.#windows = 0;
    this.#foundLow = 0;
    this.#foundHigh = 0;
    this.#expected = 0;
    this.#more = 0;
    this.#fewer = 0;
  }
}
