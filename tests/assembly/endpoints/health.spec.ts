import { entryOf } from "../../../assembly/endpoints/entries";
import { Entry } from "../../../assembly/endpoints/entry";
import {
  anyTrouble,
  eject,
  endpointFailed,
  endpointServed,
  followUsable,
  isEjected,
  setSlowStart,
  weightOf,
} from "../../../assembly/endpoints/health";
import {
  finished,
  followTopology,
  publishGeneration,
  publishOwn,
  started,
} from "../../../assembly/endpoints/in-flight";
import { Choice, pick } from "../../../assembly/pick/pick";
import { KIND_LOAD, KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";
import { input, pods, random } from "../support/picks";

const SECOND: u64 = 1000000000;
let choice: Choice = changetype<Choice>(0);
const profile = newProfile(KIND_LOAD);
profile.ejection.failures = 3;
profile.ejection.base = 1000;
profile.ejection.max = 60000;
const published: usize = memory.data(65536, 8);
function opened(builder: Builder, now: u64): SnapshotView {
  const view = builder.view();
  followTopology(view);
  followUsable(view, now);
  input.now = now;
  return view;
}

/** Reports failures until the endpoint is ejected. Returns the number of failures. */
function failUntilOut(entry: Entry, now: u64): i32 {
  for (let i = 1; i <= 10; i++) if (endpointFailed(entry, profile.ejection, now)) return i;
  return -1;
}

/** How many of `draws` picks got the endpoint. No pick is counted as a request. */
function share(view: SnapshotView, endpoint: u32, draws: i32): i32 {
  let got = 0;
  for (let i = 0; i < draws; i++) {
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    if (choice.first == endpoint) got++;
  }
  return got;
}

describe("an endpoint whose answers fail", () => {
  test("is ejected after three failures in a row, twice as long each time, for sixty seconds at most", () => {
    opened(pods(2), SECOND);
    const entry = entryOf(0);
    let now = 100 * SECOND;
    for (let round = 0; round < 9; round++) {
      expect(failUntilOut(entry, now)).toBe(3);
      const out: u64 = round < 6 ? 1 << round : 60;
      expect(isEjected(entry, now + out * SECOND - 1)).toBe(true);
      expect(isEjected(entry, now + out * SECOND)).toBe(false);
      // While it is ejected, further failures change nothing.
      expect(endpointFailed(entry, profile.ejection, now)).toBe(false);
      now += out * SECOND;
    }
    // After eight minutes of service the endpoint begins anew.
    now += 481 * SECOND;
    expect(failUntilOut(entry, now)).toBe(3);
    expect(isEjected(entry, now + SECOND)).toBe(false);
  });

  test("is not ejected when every third response is good", () => {
    opened(pods(2), SECOND);
    for (let i = 0; i < 100; i++) {
      expect(endpointFailed(entryOf(1), profile.ejection, SECOND)).toBe(false);
      expect(endpointFailed(entryOf(1), profile.ejection, SECOND)).toBe(false);
      endpointServed(entryOf(1));
    }
  });

  test("is never ejected where `failures` is 0", () => {
    opened(pods(2), SECOND);
    profile.ejection.failures = 0;
    expect(failUntilOut(entryOf(0), SECOND)).toBe(-1);
    profile.ejection.failures = 3;
  });

  test("is in no choice while it is ejected, and returns with a tenth of its weight", () => {
    const view = opened(pods(4), 1000 * SECOND);
    eject(entryOf(2), 1004 * SECOND, 4000, 3);
    for (let i = 0; i < 200; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      expect(choice.first != 2 && choice.second != 2 && choice.third != 2).toBe(true);
    }
    input.now = 1004 * SECOND;
    expect(weightOf(entryOf(2), input.now)).toBe(0.1);
    expect(weightOf(entryOf(2), 1006 * SECOND)).toBe(0.55);
    expect(weightOf(entryOf(2), 1008 * SECOND)).toBe(1);
    // Each endpoint has a request. At a tenth of its weight, an endpoint with one request counts as busy as with ten.
    const hashes: u64[] = [];
    for (let i: u32 = 0; i < 4; i++) hashes.push(started(i));
    publishOwn(published);
    expect(share(view, 2, 100)).toBe(0);
    input.now = 1008 * SECOND;
    expect(share(view, 2, 400)).toBeGreaterThan(40);
    for (let i = 0; i < hashes.length; i++) finished(hashes[i], publishGeneration() - 1);
  });

  test("is picked all the same when more than half of the model's endpoints are ejected", () => {
    const view = opened(pods(5), 2000 * SECOND);
    eject(entryOf(0), 2010 * SECOND, 10000, 1);
    eject(entryOf(1), 2010 * SECOND, 10000, 1);
    expect(share(view, 0, 300) + share(view, 1, 300)).toBe(0);
    eject(entryOf(2), 2010 * SECOND, 10000, 1);
    expect(share(view, 0, 300)).toBeGreaterThan(20);
  });

  test("is still picked when the model has no other endpoint", () => {
    const view = opened(pods(1), 3000 * SECOND);
    eject(entryOf(0), 3010 * SECOND, 10000, 1);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.count).toBe(1);
    expect(choice.first).toBe(0);
  });

  test("is in no sample of a large pool while it is ejected", () => {
    const view = opened(pods(300), 4000 * SECOND);
    const tokens = newProfile(KIND_TOKENS);
    for (let i = 0; i < 100; i++) eject(entryOf(i), 4010 * SECOND, 10000, 1);
    input.tokens = 100;
    for (let i = 0; i < 200; i++) {
      choice = pick(view, 0, tokens, input, wholeModel(view, 0), random);
      expect(choice.count).toBe(3);
      expect(choice.first >= 100 && choice.second >= 100 && choice.third >= 100).toBe(true);
    }
  });
});

describe("an endpoint that becomes usable", () => {
  test("gets its share over ten seconds; the first snapshot's endpoints get theirs at once", () => {
    const builder = pods(3);
    builder.pods[2].flags = 0;
    opened(builder, 5000 * SECOND);
    builder.pods[2].flags = 1;
    opened(builder, 5001 * SECOND);
    // Other tests' endpoints came before. So these endpoints are new to this worker, and all have the same weight.
    expect(weightOf(entryOf(2), 5001 * SECOND)).toBe(0.1);
    expect(weightOf(entryOf(2), 5006 * SECOND)).toBe(0.55);
    expect(weightOf(entryOf(2), 5011 * SECOND)).toBe(1);
    expect(anyTrouble(5010 * SECOND)).toBe(true);
    expect(anyTrouble(5011 * SECOND)).toBe(false);
  });

  test("gets its share at once where slowStart is 0s", () => {
    setSlowStart(0);
    const builder = pods(2);
    builder.pods[1].flags = 0;
    opened(builder, 6000 * SECOND);
    builder.pods[1].flags = 1;
    opened(builder, 6001 * SECOND);
    expect(weightOf(entryOf(1), 6001 * SECOND)).toBe(1);
    setSlowStart(10000);
  });
});
