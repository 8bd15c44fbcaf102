import { usePrefixes } from "../../../assembly/endpoints/cache/prefix-index";
import { BLOCK_BYTES } from "../../../assembly/endpoints/cache/prompt";
import { learnDuration, usualDuration } from "../../../assembly/endpoints/durations";
import { pick } from "../../../assembly/pick/pick";
import { KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { commonTerms, tokenTerms } from "../../../assembly/pick/token-cost";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";
import { candidates, follow, input, lookAt, near, pods, random, SECOND, send } from "../support/picks";

usePrefixes(BLOCK_BYTES);
const profile = newProfile(KIND_TOKENS);
input.now = SECOND;

/** Two idle pods with caches of 10,000 tokens each; the first pod's cache is taken to the fraction `kv`. */
function twoPods(kv: f32): Builder {
  const builder = pods(2);
  for (let i = 0; i < 2; i++) {
    builder.pods[i].kvBlocks = 625;
    builder.pods[i].blockTokens = 16;
    builder.pods[i].prefillRate = 2000;
  }
  builder.pods[0].kv = kv;
  return builder;
}

/** The term f of candidate `i`, for the input's request. */
function waitOf(view: SnapshotView, i: u32): f32 {
  lookAt(view, 0, profile);
  return tokenTerms(candidates, i, profile, input, commonTerms(candidates, profile, input)).fullCache;
}

/** The cost of a lack of `missing` tokens beside `taken` tokens: the time in which running requests leave as many, at 2,000 tokens a second. */
function cost(missing: f32, taken: f32): f32 {
  return (2000 * usualDuration() * missing) / taken;
}

describe("a full KV cache", () => {
  test("costs the time in which running requests leave the room that the prompt lacks", () => {
    const view = follow(twoPods(0.9), 1500);
    near(waitOf(view, 0), cost(500, 9000));
    near(waitOf(view, 1), 0);
    learnDuration(20);
    near(waitOf(view, 0), cost(500, 9000));
  });

  test("costs nothing while the prompt fits", () => {
    const view = follow(twoPods(0.75), 1500);
    near(waitOf(view, 0), 0);
  });

  test("is filled by the prompts that wait there, too", () => {
    const view = follow(twoPods(0.75), 1500);
    send(0, 2000);
    near(waitOf(view, 0), cost(1000, 7500));
  });

  test("with hardly any running request has a bounded cost", () => {
    const view = follow(twoPods(0), 1500);
    send(0, 9500);
    near(waitOf(view, 0), cost(1000, 1000));
    near(waitOf(view, 1), 0);
  });

  test("is not asked for more room than it has: an estimate of more tokens is wrong", () => {
    const view = follow(twoPods(0.5), 500000);
    near(waitOf(view, 0), cost(5000, 5000));
    near(waitOf(view, 1), 0);
  });

  test("is left alone, even if the other endpoint has more waiting tokens", () => {
    const view = follow(twoPods(0.99), 1500);
    send(1, 300);
    expect(pick(view, 0, profile, input, wholeModel(view, 0), random).first).toBe(1);
  });

  test("counts for no candidate if one server does not report its size or its usage", () => {
    const sizeless = twoPods(0.99);
    sizeless.pods[1].kvBlocks = 0;
    near(waitOf(follow(sizeless, 1500), 0), 0);
    const silent = twoPods(0.99);
    silent.pods[1].kv = f32.NaN;
    near(waitOf(follow(silent, 1500), 0), 0);
  });
});
