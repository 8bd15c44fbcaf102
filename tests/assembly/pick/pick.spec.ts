import { newRandom } from "../../../assembly/base/random";
import { finished, followTopology, publishGeneration, started } from "../../../assembly/endpoints/in-flight";
import { followScrapes } from "../../../assembly/endpoints/unseen";
import { Choice, pick } from "../../../assembly/pick/pick";
import { newPickInput } from "../../../assembly/pick/pick-input";
import { KIND_LOAD, newProfile } from "../../../assembly/pick/profile";
import { wholeModel } from "../../../assembly/places/range";
import { SnapshotView } from "../../../assembly/snapshot/view";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

// Of 9,000 draws each of three equal endpoints gets 3,000. The standard deviation is 45; the tolerance, 270, is six times that.
const DRAWS = 9000;
const TOLERANCE = 270;

let choice: Choice = changetype<Choice>(0);
const random = newRandom(7);
const profile = newProfile(KIND_LOAD);
const input = newPickInput();

/** A snapshot with three idle pods. The model has index 0. */
function three(): Builder {
  const builder = new Builder();
  builder.pod("10.0.0.1:8000");
  builder.pod("10.0.0.2:8000");
  builder.pod("10.0.0.3:8000");
  builder.model("m", [0, 1, 2]);
  return builder;
}

/** The last snapshot's version. Versions are two seconds apart, so that each scrape replaces the average. */
let version: u64 = 1700000000000000;

function opened(builder: Builder): SnapshotView {
  version += 2000000;
  builder.version = version;
  const view = builder.view();
  followTopology(view);
  followScrapes(view);
  return view;
}

function firsts(view: SnapshotView): StaticArray<i32> {
  const counts = new StaticArray<i32>(3);
  for (let i = 0; i < DRAWS; i++) {
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    counts[choice.first]++;
  }
  return counts;
}

function onlyFirst(view: SnapshotView, endpoint: u32): bool {
  for (let i = 0; i < 200; i++) {
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    if (choice.first != endpoint) return false;
  }
  return true;
}

describe("pick", () => {
  test("gives equal endpoints equal shares, as first and as second", () => {
    const view = opened(three());
    const seconds = new StaticArray<i32>(3);
    const counts = new StaticArray<i32>(3);
    for (let i = 0; i < DRAWS; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      counts[choice.first]++;
      seconds[choice.second]++;
    }
    for (let i = 0; i < 3; i++) {
      expect(abs(counts[i] - DRAWS / 3)).toBeLessThan(TOLERANCE);
      expect(abs(seconds[i] - DRAWS / 3)).toBeLessThan(TOLERANCE);
    }
  });

  test("lists three different endpoints, the cheapest first", () => {
    const builder = three();
    builder.pods[0].waiting = 2;
    builder.pods[1].waiting = 1;
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.count).toBe(3);
    expect(choice.first).toBe(2);
    expect(choice.second).toBe(1);
    expect(choice.third).toBe(0);
  });

  test("keeps the three cheapest of many endpoints, wherever they stand", () => {
    const builder = new Builder();
    builder.manyPods(200);
    const all: u32[] = [];
    for (let i: u32 = 0; i < 200; i++) {
      builder.pods[i].waiting = 10 + i;
      all.push(i);
    }
    builder.pods[199].waiting = 1;
    builder.pods[77].waiting = 2;
    builder.pods[0].waiting = 3;
    builder.model("m", all);
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first).toBe(199);
    expect(choice.second).toBe(77);
    expect(choice.third).toBe(0);
  });

  test("looks at thirty-two of a thousand endpoints, and takes the best of these", () => {
    const builder = new Builder();
    builder.manyPods(1000);
    const all: u32[] = [];
    for (let i: u32 = 0; i < 1000; i++) {
      builder.pods[i].waiting = i;
      all.push(i);
    }
    builder.model("m", all);
    const view = opened(builder);
    let sum: u32 = 0;
    for (let i = 0; i < 1000; i++) {
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      expect(choice.candidates.count).toBe(32);
      expect(choice.first < choice.second && choice.second < choice.third).toBe(true);
      sum += choice.first;
    }
    // The lowest of 32 numbers below 1,000 is 30 on average. Its mean over 1,000 picks has a standard deviation of 1.
    expect(sum / 1000).toBeGreaterThan(20);
    expect(sum / 1000).toBeLessThan(40);
  });

  test("chooses one endpoint of one, and none of none", () => {
    const builder = three();
    builder.model("n", [1]);
    builder.model("o", []);
    const view = opened(builder);
    choice = pick(view, 1, profile, input, wholeModel(view, 1), random);
    expect(choice.count).toBe(1);
    expect(choice.first).toBe(1);
    expect(choice.second).toBe(0xffffffff);
    choice = pick(view, 2, profile, input, wholeModel(view, 2), random);
    expect(choice.count).toBe(0);
    expect(choice.first).toBe(0xffffffff);
  });

  test("never lists an endpoint that is not ready, is draining or is asleep, however idle it is", () => {
    for (let flags: u16 = 0; flags < 8; flags++) {
      const builder = three();
      builder.pods[1].flags = flags;
      builder.pods[0].waiting = 50;
      builder.pods[2].waiting = 50;
      const view = opened(builder);
      choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
      expect(choice.count).toBe(flags == 1 ? 3 : 2);
      expect(choice.first == 1).toBe(flags == 1);
      expect(choice.second == 1 || choice.third == 1).toBe(false);
    }
  });

  test("ignores flags that are not known", () => {
    const builder = three();
    for (let i = 0; i < 3; i++) builder.pods[i].flags = 0xfff9;
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.count).toBe(3);
  });
});

describe("the cost of profile load", () => {
  test("counts another sender's waiting request as two in-flight requests", () => {
    const builder = three();
    // One of the three requests counts as noise. The other two requests and the queue of two make four.
    builder.pods[0].waiting = 2;
    builder.pods[0].running = 1;
    builder.pods[1].waiting = 2;
    builder.pods[1].running = 1;
    const view = opened(builder);
    const held: u64[] = [];
    for (let i = 0; i < 3; i++) held.push(started(2));
    expect(onlyFirst(view, 2)).toBe(true);
    for (let i = 0; i < 2; i++) held.push(started(2));
    expect(onlyFirst(view, 2)).toBe(false);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.third).toBe(2);
    for (let i = 0; i < held.length; i++) finished(held[i], publishGeneration());
  });

  test("counts own requests in an endpoint's queue once, however old the scrape is", () => {
    const builder = three();
    const held: u64[] = [];
    opened(builder);
    for (let i = 0; i < 5; i++) held.push(started(0));
    builder.pods[0].waiting = 5;
    const view = opened(builder);
    for (let i = 0; i < held.length; i++) finished(held[i], publishGeneration());
    const counts = firsts(view);
    for (let i = 0; i < 3; i++) expect(abs(counts[i] - DRAWS / 3)).toBeLessThan(TOLERANCE);
  });

  test("counts a full KV cache as four requests", () => {
    const builder = three();
    builder.pods[0].kv = 1;
    builder.pods[1].running = 4;
    builder.pods[2].running = 6;
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.first).toBe(1);
    expect(choice.second).toBe(0);
    expect(choice.third).toBe(2);
  });

  test("decides by a fifth of a request, and by a tenth only in part", () => {
    const builder = three();
    builder.pods[2].waiting = 9;
    // 4 * 0.0125 is half of TIE, so the other endpoint still wins one time in eight.
    builder.pods[0].kv = 0.0125;
    const counts = firsts(opened(builder));
    expect(counts[0]).toBeGreaterThan(DRAWS / 10);
    expect(counts[0]).toBeLessThan(DRAWS / 6);
    builder.pods[0].kv = 0.05;
    expect(onlyFirst(opened(builder), 1)).toBe(true);
  });

  test("drops a signal for all candidates when one lacks it", () => {
    const builder = three();
    builder.pods[0].waiting = UNKNOWN;
    builder.pods[1].waiting = 500;
    builder.pods[2].kv = 0.5;
    expect(onlyFirst(opened(builder), 2)).toBe(false);
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.third).toBe(2);
    builder.pods[1].kv = NaN;
    const counts = firsts(opened(builder));
    for (let i = 0; i < 3; i++) expect(abs(counts[i] - DRAWS / 3)).toBeLessThan(TOLERANCE);
  });

  test("keeps a signal that only an unusable endpoint lacks", () => {
    const builder = three();
    builder.pods[0].waiting = UNKNOWN;
    builder.pods[0].flags = 0;
    builder.pods[1].waiting = 5;
    expect(onlyFirst(opened(builder), 2)).toBe(true);
  });

  test("is a number for a queue of four billion too", () => {
    const builder = three();
    builder.pods[0].waiting = 0xfffffffe;
    builder.pods[1].waiting = 0xfffffffe;
    builder.pods[2].waiting = 0xfffffffe;
    const view = opened(builder);
    choice = pick(view, 0, profile, input, wholeModel(view, 0), random);
    expect(choice.count).toBe(3);
    expect(choice.first != choice.second && choice.second != choice.third && choice.first != choice.third).toBe(true);
  });
});
