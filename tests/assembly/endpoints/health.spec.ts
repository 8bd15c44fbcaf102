import { newRandom } from "../../../assembly/base/random";
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
import { newPickInput } from "../../../assembly/pick/pick-input";
import { KIND_LOAD, KIND_TOKENS, newProfile } from "../../../assembly/pick/profile";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { Builder } from "../support/builder";

const SECOND: u64 = 1000000000;
const random = newRandom(3);
let choice: Choice = changetype<Choice>(0);
const input = newPickInput();
const profile = newProfile(KIND_LOAD);
profile.ejection.failures = 3;
profile.ejection.base = 1000;
profile.ejection.max = 60000;
const told: usize = memory.data(65536, 8);
let subnet = 0;

function pods(count: i32): Builder {
  subnet++;
  const builder = new Builder();
  const all: u32[] = [];
  for (let i = 0; i < count; i++) {
    builder.pod(`10.${100 + subnet}.${100 + i / 100}.${100 + (i % 100)}:8000`);
    all.push(i);
  }
  builder.model("m", all);
  return builder;
}

function opened(builder: Builder, now: u64): SnapshotView {
  const view = builder.view();
  followTopology(view);
  followUsable(view, now);
  input.now = now;
  return view;
}

/** Fails until it is ejected; how many failures that took. */
function failUntilOut(entry: Entry, now: u64): i32 {
  for (let i = 1; i <= 10; i++) if (endpointFailed(entry, profile.ejection, now)) return i;
  return -1;
}

/** How many of `draws` picks got the endpoint, without counting any of them. */
function share(view: SnapshotView, endpoint: u32, draws: i32): i32 {
  let got = 0;
  for (let i = 0; i < draws; i++) {
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    if (choice.first == endpoint) got++;
  }
  return got;
}

describe("a pod whose answers fail", () => {
  test("is out after three in a row, for twice as long each time, sixty seconds at most", () => {
    opened(pods(2), SECOND);
    const entry = entryOf(0);
    let now = 100 * SECOND;
    for (let round = 0; round < 9; round++) {
      expect(failUntilOut(entry, now)).toBe(3);
      const out: u64 = round < 6 ? 1 << round : 60;
      expect(isEjected(entry, now + out * SECOND - 1)).toBe(true);
      expect(isEjected(entry, now + out * SECOND)).toBe(false);
      // While it is out, what still fails there is no news.
      expect(endpointFailed(entry, profile.ejection, now)).toBe(false);
      now += out * SECOND;
    }
    // Eight minutes of service later it begins anew.
    now += 481 * SECOND;
    expect(failUntilOut(entry, now)).toBe(3);
    expect(isEjected(entry, now + SECOND)).toBe(false);
  });

  test("stays in when one answer in three is good", () => {
    opened(pods(2), SECOND);
    for (let i = 0; i < 100; i++) {
      expect(endpointFailed(entryOf(1), profile.ejection, SECOND)).toBe(false);
      expect(endpointFailed(entryOf(1), profile.ejection, SECOND)).toBe(false);
      endpointServed(entryOf(1));
    }
  });

  test("is never out where no number of failures ejects", () => {
    opened(pods(2), SECOND);
    profile.ejection.failures = 0;
    expect(failUntilOut(entryOf(0), SECOND)).toBe(-1);
    profile.ejection.failures = 3;
  });

  test("is in no list while it is out, and returns with a tenth of its weight", () => {
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
    // With a request on each, at a tenth of its weight it is as busy as with ten.
    const held: u64[] = [];
    for (let i: u32 = 0; i < 4; i++) held.push(started(i));
    publishOwn(told);
    expect(share(view, 2, 100)).toBe(0);
    input.now = 1008 * SECOND;
    expect(share(view, 2, 400)).toBeGreaterThan(40);
    for (let i = 0; i < held.length; i++) finished(held[i], publishGeneration() - 1);
  });

  test("counts for nothing when more than half of a model's pods are out", () => {
    const view = opened(pods(5), 2000 * SECOND);
    eject(entryOf(0), 2010 * SECOND, 10000, 1);
    eject(entryOf(1), 2010 * SECOND, 10000, 1);
    expect(share(view, 0, 300) + share(view, 1, 300)).toBe(0);
    eject(entryOf(2), 2010 * SECOND, 10000, 1);
    expect(share(view, 0, 300)).toBeGreaterThan(20);
  });

  test("is still picked when it is the only one", () => {
    const view = opened(pods(1), 3000 * SECOND);
    eject(entryOf(0), 3010 * SECOND, 10000, 1);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.count).toBe(1);
    expect(choice.first).toBe(0);
  });

  test("of a large pool is in no sample", () => {
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

describe("a pod that becomes ready", () => {
  test("gets its share over ten seconds, and those of the first snapshot at once", () => {
    const builder = pods(3);
    builder.pods[2].flags = 0;
    opened(builder, 5000 * SECOND);
    builder.pods[2].flags = 1;
    opened(builder, 5001 * SECOND);
    // Another spec's pods came before: these are new to this worker too, and all alike.
    expect(weightOf(entryOf(2), 5001 * SECOND)).toBe(0.1);
    expect(weightOf(entryOf(2), 5006 * SECOND)).toBe(0.55);
    expect(weightOf(entryOf(2), 5011 * SECOND)).toBe(1);
    expect(anyTrouble(5010 * SECOND)).toBe(true);
    expect(anyTrouble(5011 * SECOND)).toBe(false);
  });

  test("gets it at once where slowStart is 0s", () => {
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
