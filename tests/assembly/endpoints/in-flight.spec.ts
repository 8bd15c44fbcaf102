import { textHash } from "../../../assembly/base/hash";
import { newRandom } from "../../../assembly/base/random";
import { endpointCount, topologyHash } from "../../../assembly/endpoints/entries";
import {
  counted,
  finished,
  followTopology,
  ownChanged,
  ownInFlight,
  publishGeneration,
  publishOwn,
  seenInFlight,
  started,
  startedAt,
  totalInFlight,
} from "../../../assembly/endpoints/in-flight";
import { addOthers, beginOthers, endOthers, PUBLISHED_BYTES } from "../../../assembly/endpoints/other-workers";
import { followScrapes, unseenInFlight } from "../../../assembly/endpoints/unseen";
import { UNKNOWN } from "../../../protocol/constants";
import { Builder, bytesAt, bytesLength } from "../support/builder";

const A = "10.0.0.1:8000";
const B = "10.0.0.2:8000";
const C = "10.0.0.3:8000";
const vector: usize = memory.data(240000, 8);
/** The last snapshot's version. Versions in this file ascend like a producer's. */
let version: u64 = 1700000000000000;

function builder(addresses: string[]): Builder {
  const b = new Builder();
  for (let i = 0; i < addresses.length; i++) b.pod(addresses[i]);
  version += 2000000;
  b.version = version;
  return b;
}

/** All in-flight requests that are known. Scrapes are two seconds apart here, so the average is the last scrape's value. */
function inFlight(endpoint: u32): i32 {
  return seenInFlight(endpoint) + <i32>unseenInFlight(endpoint);
}

function follow(b: Builder): void {
  const view = b.view();
  followTopology(view);
  followScrapes(view);
}

describe("own requests", () => {
  test("are exact over started() and finished()", () => {
    follow(builder([A, B]));
    const first = started(0);
    const second = started(0);
    const third = started(1);
    expect(counted(0)).toBe(2);
    expect(counted(1)).toBe(1);
    expect(ownInFlight()).toBe(3);
    finished(second, publishGeneration());
    finished(third, publishGeneration());
    expect(counted(0)).toBe(1);
    expect(counted(1)).toBe(0);
    finished(first, publishGeneration());
    expect(ownInFlight()).toBe(0);
  });

  test("stay with their endpoint when other endpoints come before it in the snapshot", () => {
    follow(builder([B, C]));
    const request = started(0);
    follow(builder([A, B, C]));
    expect(counted(0)).toBe(0);
    expect(counted(1)).toBe(1);
    finished(request, publishGeneration());
    expect(counted(1)).toBe(0);
  });

  test("of an endpoint that went away are given back later, or are there when it returns", () => {
    follow(builder([A, B]));
    const first = started(0);
    const second = started(0);
    follow(builder([B]));
    follow(builder([C]));
    expect(ownInFlight()).toBe(2);
    finished(first, publishGeneration());
    follow(builder([A, C]));
    expect(counted(0)).toBe(1);
    finished(second, publishGeneration());
    expect(counted(0)).toBe(0);
    expect(ownInFlight()).toBe(0);
  });

  test("are counted by address where the snapshot has it, and nowhere else", () => {
    follow(builder([A, B]));
    const at = bytesAt(B);
    const hash = startedAt(at, bytesLength);
    expect(hash).toBe(textHash(at, bytesLength));
    expect(counted(1)).toBe(1);
    finished(hash, publishGeneration());
    const unknown = bytesAt(C);
    expect(startedAt(unknown, bytesLength)).toBe(0);
    expect(ownInFlight()).toBe(0);
  });

  test("an endpoint that is gone and idle is forgotten", () => {
    follow(builder([A, B]));
    const request = started(0);
    follow(builder([B]));
    finished(request, publishGeneration());
    follow(builder([C]));
    follow(builder([B]));
    const at = bytesAt(A);
    expect(startedAt(at, bytesLength)).toBe(0);
    expect(ownInFlight()).toBe(0);
  });

  test("stay exact over 10,000 endpoints that come, go and are used in random order", () => {
    const random = newRandom(3);
    const requests: u64[] = [];
    let expected = 0;
    for (let round = 0; round < 6; round++) {
      const b = builder([]);
      b.manyPods(round % 2 == 0 ? 10000 : 5000);
      follow(b);
      for (let i = 0; i < 3000; i++) {
        requests.push(started(random.next() % endpointCount()));
        expected++;
        if (random.next() % 3 == 0) {
          const which = random.next() % requests.length;
          finished(requests[which], publishGeneration());
          requests[which] = requests[requests.length - 1];
          requests.pop();
          expected--;
        }
      }
      expect(ownInFlight()).toBe(expected);
    }
    for (let i = 0; i < requests.length; i++) finished(requests[i], publishGeneration());
    expect(ownInFlight()).toBe(0);
    const b = builder([]);
    b.manyPods(10000);
    follow(b);
    let left = 0;
    for (let i: u32 = 0; i < 10000; i++) left += counted(i);
    expect(left).toBe(0);
  });
});

describe("unseen requests", () => {
  test("are those that the server reports and that no worker sent", () => {
    const b = builder([A, B]);
    b.pods[0].running = 5;
    b.pods[0].waiting = 2;
    follow(b);
    expect(inFlight(0)).toBe(7);
    expect(counted(0)).toBe(0);
    const request = started(0);
    expect(inFlight(0)).toBe(8);
    const next = builder([A, B]);
    next.pods[0].running = 5;
    follow(next);
    expect(inFlight(0)).toBe(5);
    finished(request, publishGeneration());
  });

  test("are never negative", () => {
    follow(builder([A]));
    const request = started(0);
    follow(builder([A]));
    expect(inFlight(0)).toBe(1);
    finished(request, publishGeneration());
    expect(inFlight(0)).toBe(0);
  });

  test("change only with a scrape that is newer than the last", () => {
    // A request of the test before is among the known requests of the last two scrapes.
    follow(builder([A]));
    follow(builder([A]));
    const b = builder([A]);
    b.pods[0].running = 4;
    follow(b);
    expect(inFlight(0)).toBe(4);
    // The version is two seconds later, but the scrape is the same. If the scrape counted again, the new request would count twice.
    const request = started(0);
    const same = builder([A]);
    same.pods[0].running = 4;
    same.pods[0].age = 2000;
    follow(same);
    expect(inFlight(0)).toBe(5);
    const newer = builder([A]);
    newer.pods[0].running = 4;
    follow(newer);
    expect(inFlight(0)).toBe(4);
    finished(request, publishGeneration());
  });

  test("are 0 where the server does not report them, or was never scraped", () => {
    for (let lack = 0; lack < 3; lack++) {
      const b = builder([A]);
      b.pods[0].running = 9;
      follow(b);
      const next = builder([A]);
      next.pods[0].running = lack == 0 ? UNKNOWN : 9;
      next.pods[0].waiting = lack == 1 ? UNKNOWN : 0;
      next.pods[0].age = lack == 2 ? UNKNOWN : 0;
      follow(next);
      expect(inFlight(0)).toBe(0);
    }
  });

  test("follow a producer whose clock was ahead, and a producer whose clock began at 1970", () => {
    const ahead = builder([A]);
    ahead.version = version + 3600000000;
    ahead.pods[0].running = 9;
    follow(ahead);
    expect(inFlight(0)).toBe(9);
    const right = builder([A]);
    right.pods[0].running = 1;
    follow(right);
    expect(inFlight(0)).toBe(1);
    const young = builder([A]);
    young.version = 1;
    young.pods[0].running = 2;
    young.pods[0].age = 40;
    follow(young);
    const back = builder([A]);
    back.pods[0].running = 3;
    follow(back);
    expect(inFlight(0)).toBe(3);
  });

  test("are averaged over two seconds", () => {
    const idle = builder([A]);
    follow(idle);
    const b = builder([A]);
    b.version = idle.version + 500000;
    b.pods[0].running = 8;
    follow(b);
    expect(unseenInFlight(0)).toBe(2);
  });

  test("four billion of them do not overflow", () => {
    const b = builder([A]);
    b.pods[0].running = 0xfffffffe;
    b.pods[0].waiting = 0xfffffffe;
    follow(b);
    expect(inFlight(0)).toBeGreaterThan(0);
  });
});

describe("exchange", () => {
  test("a request counts as settled once it has lived through a tick; a short request never does", () => {
    follow(builder([A, B]));
    publishOwn(vector);
    const since = publishGeneration();
    const long = started(0);
    const short = started(0);
    finished(short, publishGeneration());
    publishOwn(vector);
    expect(load<i32>(vector, 4)).toBe(0);
    const next = started(0);
    const nextSince = publishGeneration();
    publishOwn(vector);
    expect(load<i32>(vector, 4)).toBe(1);
    publishOwn(vector);
    expect(load<i32>(vector, 4)).toBe(2);
    finished(long, since);
    finished(next, nextSince);
    publishOwn(vector);
    expect(load<i32>(vector, 4)).toBe(0);
    expect(ownChanged()).toBe(false);
  });

  test("what a worker published is added to the others' count, once for each worker", () => {
    follow(builder([A, B, C]));
    const first = started(0);
    const second = started(2);
    expect(ownChanged()).toBe(true);
    publishOwn(vector);
    expect(load<i32>(vector)).toBe(1);
    expect(load<i32>(vector, 4)).toBe(0, "a request that may be over before the others receive its count");
    expect(ownChanged()).toBe(true);
    publishOwn(vector);
    expect(ownChanged()).toBe(false);
    expect(load<i32>(vector)).toBe(1);
    expect(load<i32>(vector, PUBLISHED_BYTES)).toBe(0);
    expect(load<i32>(vector, 2 * PUBLISHED_BYTES)).toBe(1);
    finished(first, publishGeneration());
    finished(second, publishGeneration());
    expect(ownChanged()).toBe(true);
    beginOthers();
    addOthers(vector);
    addOthers(vector);
    endOthers(0);
    expect(counted(0)).toBe(2);
    expect(counted(1)).toBe(0);
    expect(totalInFlight()).toBe(4);
    expect(ownInFlight()).toBe(0);
    beginOthers();
    endOthers(0);
    expect(totalInFlight()).toBe(0);
    publishOwn(vector);
  });

  test("negative numbers of another worker count as 0", () => {
    follow(builder([A]));
    store<i32>(vector, -5);
    beginOthers();
    addOthers(vector);
    endOthers(0);
    expect(counted(0)).toBe(0);
    expect(totalInFlight()).toBe(0);
    beginOthers();
    endOthers(0);
  });

  test("another topology has another hash, and begins without counts of the other workers", () => {
    follow(builder([A, B]));
    const before = topologyHash();
    follow(builder([A, B]));
    expect(topologyHash()).toBe(before);
    store<i32>(vector, 3);
    store<i32>(vector, 0, PUBLISHED_BYTES);
    beginOthers();
    addOthers(vector);
    endOthers(0);
    expect(totalInFlight()).toBe(3);
    follow(builder([A, C]));
    expect(topologyHash()).not.toBe(before);
    expect(counted(0)).toBe(0);
    expect(totalInFlight()).toBe(0);
    beginOthers();
    endOthers(0);
  });
});
