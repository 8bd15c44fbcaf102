import { measure, newLimits, roomLeft, Saturation } from "../../../assembly/admission/saturation";
import { followSince, sampleCounts, useSince } from "../../../assembly/admission/since";
import { entryOf } from "../../../assembly/endpoints/entries";
import { eject } from "../../../assembly/endpoints/health";
import { finished, followTopology, publishGeneration, started } from "../../../assembly/endpoints/in-flight";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

const limits = newLimits();
const MS: u64 = 1000000;
/** The clock of these tests, ns. It is long after any other spec's clock. */
let now: u64 = 5000000000 * MS;

/** Number of the test's group of addresses. Each test has its own addresses, so that no other test's requests count. */
let group = 0;
function pool(waiting: u32[]): Builder {
  group++;
  const builder = new Builder();
  const all: u32[] = [];
  for (let i = 0; i < waiting.length; i++) {
    builder.pod(`10.7.${group}.${i + 1}:80`).waiting = waiting[i];
    all.push(i);
  }
  builder.model("m", all);
  return builder;
}

/** The builder's snapshot, taken over `age` ms after its scrape. */
function take(builder: Builder, age: u32 = 0): SnapshotView {
  for (let i = 0; i < builder.pods.length; i++) builder.pods[i].age = age;
  const view = builder.view();
  followTopology(view);
  followSince(view, now);
  return view;
}

let saturation: Saturation = changetype<Saturation>(0);
function look(view: SnapshotView): void {
  saturation = measure(view, 0, 0, limits, 0, now);
}

describe("saturation", () => {
  beforeAll(() => useSince());

  test("is the mean of queue / 5 and KV / 0.8, whichever is higher on each endpoint", () => {
    const builder = pool([5, 0, 10]);
    builder.pods[1].kv = 0.4;
    builder.pods[2].kv = 0.8;
    look(take(builder));
    expect(saturation.toShed).toBeCloseTo((1 + 0.5 + 2) / 3);
    expect(saturation.endpoints).toBe(3);
  });

  test("is 1 without a usable endpoint", () => {
    look(take(pool([])));
    expect(saturation.toShed).toBe(1);
    const builder = pool([0, 0, 0]);
    builder.pods[0].flags = 0;
    builder.pods[1].flags = 3;
    builder.pods[2].flags = 5;
    look(take(builder));
    expect(saturation.toShed).toBe(1);
    expect(saturation.toLetGo).toBe(1);
    expect(saturation.endpoints).toBe(0);
  });

  test("counts an endpoint as full whose signals are unknown or stale", () => {
    const builder = pool([0, UNKNOWN, 0, 0]);
    builder.pods[1].kv = NaN;
    const view = take(builder);
    saturation = measure(view, 0, 0, limits, 0, now);
    expect(saturation.toShed).toBeCloseTo(0.25);
    saturation = measure(view, 0, 0, limits, 2001, now);
    expect(saturation.toShed).toBe(1);
  });

  test("counts an ejected endpoint as full, until it is back", () => {
    const view = take(pool([5, 5, 0, 0]));
    eject(entryOf(2), now + 1000 * MS, 1000, 1);
    eject(entryOf(3), now + 1000 * MS, 1000, 1);
    look(view);
    expect(saturation.toShed).toBe(1);
    expect(saturation.toLetGo).toBe(1);
    expect(roomLeft(saturation, limits)).toBe(0);
    expect(saturation.endpoints).toBe(4);
    saturation = measure(view, 0, 0, limits, 0, now + 1000 * MS);
    expect(saturation.toShed).toBe(0.5);
    expect(roomLeft(saturation, limits)).toBe(10);
  });

  test("ignores ejections when more than half of the pool is ejected, as picks do", () => {
    const view = take(pool([5, 0, 0]));
    eject(entryOf(1), now + 1000 * MS, 1000, 1);
    eject(entryOf(2), now + 1000 * MS, 1000, 1);
    look(view);
    expect(saturation.toShed).toBeCloseTo(1 / 3);
    expect(saturation.toLetGo).toBeCloseTo(1 / 3);
  });

  test("uses the one signal of an endpoint that reports only one", () => {
    const builder = pool([UNKNOWN, 4]);
    builder.pods[0].kv = 0.6;
    builder.pods[1].kv = NaN;
    look(take(builder));
    expect(saturation.toShed).toBeCloseTo((0.75 + 0.8) / 2);
  });

  test("counts requests sent since the scrape where a queue shows that the batch is full", () => {
    const view = take(pool([3, 0]));
    sampleCounts(now);
    started(0);
    started(0);
    for (let i = 0; i < 40; i++) started(1);
    look(view);
    expect(saturation.toShed).toBeCloseTo(1 / 2, 3, "the second endpoint's batch had room at the scrape");
    expect(saturation.toLetGo).toBeCloseTo((1 + 8) / 2);
  });

  test("subtracts requests that ended since the scrape", () => {
    const builder = pool([5]);
    take(builder);
    const hash = started(0);
    started(0);
    now += 20 * MS;
    sampleCounts(now);
    now += 100 * MS;
    builder.version += 1000;
    const view = take(builder, 40);
    look(view);
    expect(saturation.toLetGo).toBeCloseTo(1);
    finished(hash, publishGeneration());
    look(view);
    expect(saturation.toLetGo).toBeCloseTo(0.8);
    expect(saturation.toShed).toBeCloseTo(0.8);
    expect(roomLeft(saturation, limits)).toBe(1);
  });

  test("knows that a scrape from before a burst did not see it, though the snapshot came after", () => {
    const builder = pool([0]);
    take(builder);
    sampleCounts(now);
    now += 20 * MS;
    sampleCounts(now);
    for (let i = 0; i < 5; i++) started(0);
    now += 20 * MS;
    sampleCounts(now);
    now += 20 * MS;
    builder.version += 1000;
    // This scrape is 40 ms old: it came after the second sample and before the third.
    look(take(builder, 30));
    expect(saturation.toLetGo).toBeCloseTo(1);
    expect(saturation.toShed).toBe(0);
    expect(roomLeft(saturation, limits)).toBe(0);
    // A scrape after the burst shows the burst.
    now += 100 * MS;
    sampleCounts(now);
    builder.version += 1000;
    look(take(builder, 10));
    expect(saturation.toLetGo).toBe(0);
  });

  test("leaves room for the requests that fit until it is saturated; below 0 for those that are too many", () => {
    look(take(pool([0, 0])));
    expect(roomLeft(saturation, limits)).toBe(10);
    look(take(pool([5, 4])));
    expect(roomLeft(saturation, limits)).toBe(1);
    look(take(pool([9, 6])));
    expect(roomLeft(saturation, limits)).toBe(-5);
  });
});
