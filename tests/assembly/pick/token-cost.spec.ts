import { usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { BLOCK_BYTES } from "../../../assembly/endpoints/cache/prompt";
import { followCosts } from "../../../assembly/endpoints/costs";
import { entryOf } from "../../../assembly/endpoints/entries";
import { started } from "../../../assembly/endpoints/in-flight";
import { tokensSent } from "../../../assembly/endpoints/waiting-tokens";
import { costCandidates, pick } from "../../../assembly/pick/pick";
import { KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { predictedSeconds } from "../../../assembly/pick/token-cost";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";
import { candidates, follow, input, lookAt, opened, pods, random, SECOND, send } from "../support/picks";

usePrefixes(BLOCK_BYTES);
const PICKS = 60;
const SEED: u64 = 9;
/** Price of an uncached token in an empty cache (C of the formula). */
const PREFILL: f32 = 0.4;
const profile = newProfile(KIND_TOKENS);
input.now = SECOND;
input.seed = SEED;

/** Cost of candidate `i`. */
function costOf(view: SnapshotView, i: u32): f32 {
  lookAt(view, 0, profile);
  costCandidates(candidates, profile, input);
  return <f32>candidates.cost(i);
}

/** How many of PICKS picks go to the endpoint. */
function picksOf(view: SnapshotView, endpoint: u32): i32 {
  let times = 0;
  for (let i = 0; i < PICKS; i++) {
    if (pick(view, 0, profile, input, wholeModel(view, 0), random).first == endpoint) times++;
  }
  return times;
}

function near(x: f32, expected: f32): void {
  expect(Mathf.abs(x - expected) <= Mathf.abs(expected) * 0.0001).toBe(true, `${x} is ${expected}`);
}

describe("the learned prefill rate", () => {
  test("makes an idle endpoint of twice the rate cost half", () => {
    const builder = pods(2);
    builder.pods[0].prefillRate = 10000;
    builder.pods[1].prefillRate = 20000;
    const view = follow(builder, 1000);
    // Costs are in tokens at the mean rate, 15,000 a second.
    near(costOf(view, 0), 1.5 * PREFILL * 1000);
    near(costOf(view, 1), 0.75 * PREFILL * 1000);
    expect(picksOf(view, 1)).toBe(PICKS);
  });

  test("keeps requests on the faster endpoint until as many seconds wait there as its rate saves", () => {
    const builder = pods(2);
    builder.pods[0].prefillRate = 10000;
    builder.pods[1].prefillRate = 20000;
    const view = follow(builder, 1000);
    // 1.5 * 400 = 0.75 * (0.3 * Q + 400) for Q = 1,333, without in-flight requests.
    tokensSent(entryOf(1), 1200, SECOND);
    expect(picksOf(view, 1)).toBe(PICKS);
    tokensSent(entryOf(1), 300, SECOND);
    expect(picksOf(view, 1)).toBe(0);
  });

  test("of no endpoint, or of all endpoints the same, prefers none", () => {
    for (let rate: f32 = 0; rate <= 3000; rate += 3000) {
      const builder = pods(2);
      builder.pods[0].prefillRate = rate;
      builder.pods[1].prefillRate = rate;
      const view = follow(builder, 1000);
      near(costOf(view, 0), PREFILL * 1000);
      near(costOf(view, 1), PREFILL * 1000);
    }
  });

  test("of one endpoint is compared with the usual rate of the others", () => {
    const builder = pods(2);
    builder.pods[1].prefillRate = 60000;
    const view = follow(builder, 1000);
    near(costOf(view, 0), 2 * PREFILL * 1000);
    near(costOf(view, 1), (2 * PREFILL * 1000) / 3);
  });

  test("makes the same tokens take longer on a slower endpoint", () => {
    const builder = pods(2);
    builder.pods[0].prefillRate = 1000;
    builder.pods[0].step = 0.05;
    const view = follow(builder, 1000);
    expect(view.endpointCount).toBe(2);
    // One more request in flight costs a fifth of the step: 10 ms. Of an endpoint whose step is not learned, 100 tokens.
    near(predictedSeconds(entryOf(0), 0, input, 500, 0), 0.5 + 0.01);
    near(predictedSeconds(entryOf(1), 1, input, 500, 0), 600 / 20000);
  });
});

describe("an in-flight request", () => {
  test("costs the tokens of a fifth of the endpoint's step", () => {
    const builder = pods(2);
    for (let i = 0; i < 2; i++) builder.pods[i].prefillRate = 3000;
    builder.pods[0].step = 0.05;
    builder.pods[1].step = 0.1;
    const view = follow(builder, 16);
    const idle = costOf(view, 0);
    near(costOf(view, 1), idle);
    started(0);
    started(1);
    near(costOf(view, 0) - idle, 0.2 * 3000 * 0.05 * (1 + 1 / <f32>64));
    near(costOf(view, 1) - idle, 0.2 * 3000 * 0.1 * (1 + 1 / <f32>64));
  });

  test("costs 100 tokens before the step is learned, whatever the rate is", () => {
    const builder = pods(2);
    for (let i = 0; i < 2; i++) builder.pods[i].prefillRate = 3000;
    const view = follow(builder, 16);
    const idle = costOf(view, 0);
    started(0);
    near(costOf(view, 0) - idle, 100 * (1 + 1 / <f32>64));
    for (let i = 1; i < 64; i++) started(0);
    near(costOf(view, 0) - idle, 64 * 100 * 2);
  });
});
