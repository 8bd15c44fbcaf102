import { entryOf } from "../../../assembly/endpoints/entries";
import { Entry } from "../../../assembly/endpoints/entry";
import {
  CommonSpeed,
  freshSpeedAt,
  freshSpeedPublished,
  freshSpeeds,
  learnSpeed,
  receiveSpeed,
  speedFactor,
  writeSpeed,
} from "../../../assembly/endpoints/speed";
import { near, opened, pods } from "../support/picks";

const SECOND: u64 = 1000000000;
const common = changetype<CommonSpeed>(memory.data(offsetof<CommonSpeed>(), 8));

/** Two endpoints that nothing is known of. */
function fresh(): void {
  published();
  opened(pods(2));
}

/** Publishes all samples of this worker. */
function published(): void {
  while (freshSpeeds() > 0) freshSpeedPublished(0);
}

function learn(entry: Entry, ratio: f32, times: i32, at: u64 = SECOND): void {
  for (let i = 0; i < times; i++) learnSpeed(entry, ratio, 1, at);
}

/** Fills `common` with another worker's value of the entry's endpoint. */
function other(entry: Entry, additions: u32, slowness: f32, samples: u32, at: u64 = SECOND): void {
  common.endpoint = entry.hash;
  common.additions = additions;
  common.slowness = slowness;
  common.samples = samples;
  common.at = at;
}

describe("own samples", () => {
  test("are averaged equally until they are a hundred, and by a hundredth each from then on", () => {
    fresh();
    const entry = entryOf(0);
    learn(entry, 2, 60);
    learn(entry, 1, 40);
    near(entry.speed.slowness, Math.log(2) * 0.6);
    learn(entry, 1, 1);
    near(entry.speed.slowness, Math.log(2) * 0.6 * 0.99);
    expect(entry.speed.samples).toBe(101);
  });

  test("are bounded, and one without a prediction does not count", () => {
    fresh();
    learn(entryOf(0), 1e30, 5);
    near(entryOf(0).speed.slowness, Math.log(5));
    learn(entryOf(1), 0, 5);
    near(entryOf(1).speed.slowness, Math.log(0.2));
    learnSpeed(entryOf(1), 1, 0, SECOND);
    expect(entryOf(1).speed.samples).toBe(5);
  });

  test("wait to be published, once for each endpoint", () => {
    fresh();
    learn(entryOf(0), 2, 3);
    learn(entryOf(1), 2, 1);
    learn(entryOf(0), 2, 1);
    expect(freshSpeeds()).toBe(2);
    expect(freshSpeedAt(0)).toBe(entryOf(0).hash);
    freshSpeedPublished(0);
    expect(freshSpeeds()).toBe(1);
    expect(freshSpeedAt(0)).toBe(entryOf(1).hash);
    expect(entryOf(0).speed.fresh).toBe(0);
    expect(entryOf(1).speed.fresh).toBe(1);
  });
});

describe("a common value", () => {
  test("replaces this worker's value, and this worker's fresh samples are added to it as if they came one by one", () => {
    for (let known: u32 = 50; known <= 150; known += 50) {
      fresh();
      const entry = entryOf(0);
      const alone = entryOf(1);
      other(alone, 7, 0.5, known);
      receiveSpeed(common, SECOND);
      learn(alone, 3, 80);
      learn(entry, 3, 80, 3 * SECOND);
      other(entry, 7, 0.5, known);
      receiveSpeed(common, 4 * SECOND);
      near(entry.speed.slowness, alone.speed.slowness);
      expect(<u32>entry.speed.samples).toBe(known + 80);
      expect(entry.speed.at).toBe(3 * SECOND);
      writeSpeed(entry, common);
      expect(common.additions).toBe(8);
      near(common.slowness, alone.speed.slowness);
    }
  });

  test("is taken over once, and not when it is older than this worker's", () => {
    fresh();
    const entry = entryOf(0);
    other(entry, 5, 0.5, 40);
    receiveSpeed(common, SECOND);
    learn(entry, 1, 40);
    const slowness = entry.speed.slowness;
    receiveSpeed(common, SECOND);
    expect(entry.speed.slowness).toBe(slowness, "the same again");
    published();
    other(entry, 6, 1, 40);
    receiveSpeed(common, SECOND);
    expect(entry.speed.slowness).toBe(slowness, "this worker has made the sixth addition");
    other(entry, 7, 1, 40);
    receiveSpeed(common, SECOND);
    expect(entry.speed.slowness).toBe(1);
  });

  test("is ignored if it is out of bounds or of an unknown endpoint", () => {
    fresh();
    const entry = entryOf(0);
    const wrong: f32[] = [NaN, Infinity, -Infinity, 1.7, -1.7, 1e30];
    for (let i = 0; i < wrong.length; i++) {
      other(entry, 1, wrong[i], 40);
      receiveSpeed(common, SECOND);
    }
    other(entry, 1, 1, 0);
    receiveSpeed(common, SECOND);
    other(entry, 1, 1, 0x10000);
    receiveSpeed(common, SECOND);
    other(entry, 1, 1, 40);
    common.endpoint = 1;
    receiveSpeed(common, SECOND);
    expect(entry.speed.samples).toBe(0);
    expect(speedFactor(entry, 0, SECOND)).toBe(1);
  });

  test("is newer also after the number of additions has wrapped", () => {
    fresh();
    const entry = entryOf(0);
    other(entry, 0xfffffffe, 0.5, 40);
    receiveSpeed(common, SECOND);
    learn(entry, 1, 1);
    published();
    other(entry, 1, 1, 40);
    receiveSpeed(common, SECOND);
    expect(entry.speed.slowness).toBe(1);
    other(entry, 0xffffffff, 0.5, 40);
    receiveSpeed(common, SECOND);
    expect(entry.speed.slowness).toBe(1);
  });

  test("of the future is of now, and its samples are a bounded number", () => {
    fresh();
    const entry = entryOf(0);
    other(entry, 1, 1, 0xffff, u64.MAX_VALUE);
    receiveSpeed(common, SECOND);
    expect(entry.speed.at).toBe(SECOND);
    expect(entry.speed.samples).toBe(0xffff);
    near(speedFactor(entry, 0, SECOND), Math.exp(65535.0 / 65555.0));
    learn(entry, 1, 10);
    expect(entry.speed.samples).toBe(0xffff);
    published();
  });
});
