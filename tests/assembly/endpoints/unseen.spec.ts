import { entryOf } from "../../../assembly/endpoints/entries";
import { finished, followTopology, publishGeneration, started } from "../../../assembly/endpoints/in-flight";
import { addOthers, beginOthers, endOthers, PUBLISHED_BYTES } from "../../../assembly/endpoints/other-workers";
import { followScrapes, unseenInFlight, unseenWeight } from "../../../assembly/endpoints/unseen";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder } from "../support/builder";

const A = "10.7.0.1:8000";
const INTERVAL: u64 = 100;
let milliseconds: u64 = 1700000000000;
/** What another worker published. */
const published: usize = memory.data(PUBLISHED_BYTES, 8);

/** A scrape that is `age` milliseconds old when it comes. The next one comes INTERVAL later. */
function scrape(waiting: u32, running: u32, age: u32 = 20): void {
  milliseconds += INTERVAL;
  const b = new Builder();
  const pod = b.pod(A);
  pod.waiting = waiting;
  pod.running = running;
  pod.age = age;
  b.version = milliseconds * 1000;
  const view = b.view();
  followTopology(view);
  followScrapes(view);
}

/** Makes the endpoint idle and its estimate 0. */
function rest(): void {
  others(0);
  scrape(UNKNOWN, UNKNOWN);
  for (let i = 0; i < 3; i++) scrape(0, 0);
  expect(unseenInFlight(0)).toBe(0);
}

/** Another worker has this many requests. */
function others(requests: i32): void {
  store<i32>(published, requests);
  beginOthers();
  addOthers(published);
  endOthers(0);
}

function near(value: f32, expected: f32, tolerance: f32): void {
  if (abs(value - expected) > tolerance) expect(value).toBe(expected);
}

scrape(0, 0);

describe("load that others cause", () => {
  test("is believed with the second scrape when it rises, and shrinks smoothly", () => {
    rest();
    scrape(10, 20);
    near(unseenInFlight(0), 1.5, 0.01);
    scrape(10, 20);
    expect(unseenInFlight(0)).toBe(30);
    scrape(40, 20);
    scrape(50, 20);
    expect(unseenInFlight(0)).toBe(60, "the lower of two");
    for (let i = 0; i < 20; i++) scrape(0, 0);
    near(unseenInFlight(0), 60.0 * 0.36, 1);
    for (let i = 0; i < 100; i++) scrape(0, 0);
    expect(unseenInFlight(0)).toBe(0);
  });

  test("is not seen in one scrape alone", () => {
    rest();
    for (let i = 0; i < 50; i++) {
      scrape(0, 20);
      scrape(0, 0);
      expect(unseenInFlight(0)).toBeLessThan(12);
    }
  });

  test("is found beside our own requests", () => {
    rest();
    const requests: u64[] = [];
    for (let i = 0; i < 20; i++) requests.push(started(0));
    others(10);
    for (let i = 0; i < 3; i++) scrape(0, 30);
    expect(unseenInFlight(0)).toBe(0);
    for (let i = 0; i < 3; i++) scrape(0, 37);
    expect(unseenInFlight(0)).toBe(7);
    for (let i = 0; i < requests.length; i++) finished(requests[i], publishGeneration());
  });
});

describe("our own requests are no load of others", () => {
  test("when they ended between the scrape and its arrival", () => {
    rest();
    for (let round = 0; round < 50; round++) {
      const requests: u64[] = [];
      for (let i = 0; i < 30; i++) requests.push(started(0));
      for (let i = 0; i < requests.length; i++) finished(requests[i], publishGeneration());
      scrape(10, 20);
    }
    expect(unseenInFlight(0)).toBe(0);
    expect(entryOf(0).inFlight.own).toBe(0);
  });

  test("when they began after the scrape", () => {
    rest();
    for (let i = 0; i < 3; i++) scrape(0, 5);
    const request = started(0);
    near(unseenInFlight(0), 5, 0);
    scrape(0, 5);
    scrape(0, 6);
    near(unseenInFlight(0), 5, 0.2);
    finished(request, publishGeneration());
  });

  test("when another worker sent them, and they are in a scrape before this worker receives their count", () => {
    rest();
    scrape(0, 30);
    near(unseenInFlight(0), 1.5, 0.01);
    others(30);
    for (let i = 0; i < 10; i++) scrape(0, 30);
    near(unseenInFlight(0), 0.9, 0.1);
    others(0);
    scrape(0, 30);
    expect(unseenInFlight(0)).toBeLessThan(1, "they ended after the scrape");
  });
});

/** The other workers have `known` requests, and scrapes show `all`, `times` times. */
function share(known: i32, all: u32, times: i32): void {
  others(known);
  for (let i = 0; i < times; i++) scrape(0, all);
}

describe("gateways that this Envoy does not hear of", () => {
  test("count in full from two fifths of the requests on, and not at all below a fifth", () => {
    rest();
    share(30, 30, 1800);
    expect(unseenWeight()).toBe(0);
    share(30, 60, 1200);
    expect(unseenWeight()).toBe(1);
    share(30, 43, 1800);
    near(unseenWeight(), 0.5, 0.1);
    share(30, 35, 1800);
    expect(unseenWeight()).toBe(0);
  });

  test("are not believed at once: a second of requests that an Envoy left behind counts little", () => {
    rest();
    share(30, 30, 1800);
    for (let i = 0; i < 10; i++) share(3 * i, 33, 1);
    expect(unseenWeight()).toBe(0);
    share(30, 30, 100);
    expect(unseenWeight()).toBe(0);
  });

  test("count as well where only each tenth snapshot has a new scrape", () => {
    rest();
    share(30, 30, 1800);
    others(30);
    for (let i = 0; i < 120; i++) {
      for (let snapshot = 0; snapshot < 10; snapshot++) scrape(0, 60, 20 + snapshot * <u32>INTERVAL);
    }
    expect(unseenWeight()).toBe(1);
  });

  test("are forgotten when the servers report no requests", () => {
    rest();
    share(30, 60, 1200);
    expect(unseenWeight()).toBe(1);
    others(30);
    for (let i = 0; i < 300; i++) scrape(UNKNOWN, UNKNOWN);
    share(30, 30, 1800);
    expect(unseenWeight()).toBe(0);
  });
});
