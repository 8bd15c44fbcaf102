import { Choice, pick } from "../../../assembly/pick/pick";
import {
  addScorer,
  KIND_SCORERS,
  newProfile,
  PICKER_BEST,
  PICKER_RANDOM,
  PICKER_TWO,
  PICKER_WEIGHTED,
  Profile,
  pickerNames,
} from "../../../assembly/pick/profile";
import { SCORE_KV, SCORE_PREFIX, SCORE_QUEUE } from "../../../assembly/pick/scorers";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { input, near, one, opened, pods, random, score } from "../support/picks";

let choice: Choice = changetype<Choice>(0);

function pickFrom(view: SnapshotView, profile: Profile): void {
  choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
}

describe("every picker", () => {
  test("has a name, at the index of its number", () => {
    const names = pickerNames();
    expect(names.indexOf("max-score-picker")).toBe(PICKER_BEST);
    expect(names.indexOf("weighted-random-picker")).toBe(PICKER_WEIGHTED);
    expect(names.indexOf("random-picker")).toBe(PICKER_RANDOM);
    expect(names.indexOf("p2c-picker")).toBe(PICKER_TWO);
    expect(names.includes("")).toBe(false);
  });
});

describe("weights and pickers", () => {
  test("the endpoint picker's default is 2 queue + 2 kv + 3 prefix, the highest wins", () => {
    const builder = pods(3);
    builder.pods[0].waiting = 10;
    builder.pods[1].waiting = 5;
    builder.pods[0].kv = 0.1;
    builder.pods[1].kv = 0.5;
    builder.pods[2].kv = 0.9;
    const view = opened(builder);
    const profile = newProfile(KIND_SCORERS);
    addScorer(profile, SCORE_QUEUE, 2, 0);
    addScorer(profile, SCORE_KV, 2, 0);
    addScorer(profile, SCORE_PREFIX, 3, 0);
    near(score(view, profile, 0), 2 * 0 + 2 * 0.9);
    near(score(view, profile, 1), 2 * 0.5 + 2 * 0.5);
    near(score(view, profile, 2), 2 * 1 + 2 * 0.1);
    for (let i = 0; i < 100; i++) {
      pickFrom(view, profile);
      expect(choice.first).toBe(2);
      expect(choice.second).toBe(1);
      expect(choice.third).toBe(0);
    }
  });

  test("equal scores are decided at random", () => {
    const view = opened(pods(4));
    const counts = new StaticArray<i32>(4);
    const profile = one(SCORE_QUEUE);
    for (let i = 0; i < 4000; i++) {
      pickFrom(view, profile);
      counts[choice.first]++;
    }
    // Each gets 1,000 picks; the standard deviation is 27.
    for (let i = 0; i < 4; i++) expect(abs(counts[i] - 1000)).toBeLessThan(160);
  });

  test("weighted-random-picker picks in proportion to the score, and never a score of 0 before another", () => {
    const builder = pods(3);
    builder.pods[0].kv = 0.75;
    builder.pods[1].kv = 0.25;
    builder.pods[2].kv = 1;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_WEIGHTED;
    const counts = new StaticArray<i32>(3);
    for (let i = 0; i < 4000; i++) {
      pickFrom(view, profile);
      counts[choice.first]++;
      expect(choice.third).toBe(2);
    }
    // The weights are 0.25 and 0.75.
    expect(abs(counts[0] - 1000)).toBeLessThan(160);
    expect(counts[2]).toBe(0);
  });

  test("random-picker does not look at scores", () => {
    const builder = pods(3);
    builder.pods[0].kv = 1;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_RANDOM;
    const counts = new StaticArray<i32>(3);
    for (let i = 0; i < 3000; i++) {
      pickFrom(view, profile);
      counts[choice.first]++;
    }
    for (let i = 0; i < 3; i++) expect(abs(counts[i] - 1000)).toBeLessThan(160);
  });

  test("p2c-picker takes the better of two", () => {
    const builder = pods(4);
    for (let i = 0; i < 4; i++) builder.pods[i].kv = <f32>i / 4;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_TWO;
    const counts = new StaticArray<i32>(4);
    for (let i = 0; i < 6000; i++) {
      pickFrom(view, profile);
      counts[choice.first]++;
      expect(choice.first).toBeLessThan(choice.second);
    }
    // There are six pairs. The best pod wins three pairs, the next pod two of the other pairs, and the next pod one.
    expect(abs(counts[0] - 3000)).toBeLessThan(240);
    expect(abs(counts[1] - 2000)).toBeLessThan(240);
    expect(abs(counts[2] - 1000)).toBeLessThan(240);
    expect(counts[3]).toBe(0);
  });

  test("p2c-picker finds the only two usable endpoints of a large pool", () => {
    const builder = pods(200);
    for (let i = 0; i < 200; i++) if (i != 77 && i != 78) builder.pods[i].flags = 0;
    const view = opened(builder);
    const profile = one(SCORE_KV);
    profile.picker = PICKER_TWO;
    for (let i = 0; i < 50; i++) {
      pickFrom(view, profile);
      expect(choice.count).toBe(2);
      expect(choice.first == 77 || choice.first == 78).toBe(true);
    }
  });
});
