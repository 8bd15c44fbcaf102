import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Pace, type PaceInput, type PaceOptions } from "../../../sidecar/scrape/timing/scrape-pace.ts";

const OPTIONS: PaceOptions = { intervalMs: 50, maxIntervalMs: 2000, share: 0.005 };
const PAGE_MS = 4;

interface Scrape extends Partial<Omit<PaceInput, "reportedSince">> {
  requests: number | null;
  changed?: boolean;
  /** Whether the Envoys have reported since the scrape. */
  reported?: boolean;
}

/** A pod's pace, and the time. */
class Scene {
  now = 1000;
  readonly pace: Pace;

  constructor(options: Partial<PaceOptions> = {}) {
    this.pace = new Pace({ ...OPTIONS, ...options });
  }

  /** Makes a scrape, and moves the time to the next one. Returns the ms from the start of one to the start of the other. */
  scrape({ requests, changed = false, reported = true, ...known }: Scrape): number {
    const input: PaceInput = {
      inFlight: 0,
      costMs: 0,
      usesQueues: false,
      learns: false,
      ...known,
      reportedSince: () => (reported ? Number.POSITIVE_INFINITY : 0),
    };
    const startedAt = this.now;
    this.pace.begins(input.inFlight);
    this.now += PAGE_MS;
    this.pace.scraped({ startedAt, endedAt: this.now, requests, changed, jitter: 1 });
    for (let asked = 0; asked < 10; asked++) {
      const wait = this.pace.waitMs(this.now, input);
      if (wait === 0) return this.now - startedAt;
      this.now += wait;
    }
    throw new Error("the pace never lets the scrape begin");
  }

  /** The wait that comes of many equal scrapes. */
  settled(scrape: Scrape): number {
    for (let i = 0; i < 12; i++) this.scrape(scrape);
    return this.scrape(scrape);
  }
}

test("a pod whose load the Envoys explain is scraped every second, an idle pod every maxInterval", () => {
  const scene = new Scene();
  assert.equal(scene.settled({ requests: 7, inFlight: 7 }), 1000);
  assert.equal(scene.settled({ requests: 0 }), 2000);
  assert.equal(scene.scrape({ requests: 3, inFlight: 3 }), 1000);
});

test("waits grow from the interval, and each is at most twice the one before", () => {
  const scene = new Scene();
  const waits = Array.from({ length: 6 }, () => scene.scrape({ requests: 7, inFlight: 7 }));
  assert.deepEqual(waits, [100, 200, 400, 800, 1000, 1000]);
});

describe("requests that no Envoy reports", () => {
  test("make the pace fast while they change, and slower while they stay", () => {
    const scene = new Scene();
    scene.settled({ requests: 7, inFlight: 7 });
    assert.equal(scene.scrape({ requests: 12, inFlight: 7 }), 50);
    assert.equal(scene.scrape({ requests: 14, inFlight: 7 }), 50);
    assert.equal(scene.scrape({ requests: 14, inFlight: 7 }), 100);
    assert.equal(scene.scrape({ requests: 14, inFlight: 7 }), 200);
    assert.equal(scene.scrape({ requests: 7, inFlight: 7 }), 50, "their end is a change");
    assert.equal(scene.settled({ requests: 7, inFlight: 7 }), 1000);
  });

  test("count from two on: picks ignore one", () => {
    const scene = new Scene();
    scene.settled({ requests: 7, inFlight: 7 });
    assert.equal(scene.scrape({ requests: 8, inFlight: 7 }), 1000);
    assert.equal(scene.scrape({ requests: 9, inFlight: 7 }), 50);
  });

  test("are none if a request ended or began between a scrape and the report after it", () => {
    const scene = new Scene();
    scene.settled({ requests: 7, inFlight: 7 });
    const input = { costMs: 0, usesQueues: false, learns: false };
    const startedAt = scene.now;
    const endedAt = startedAt + PAGE_MS;
    scene.pace.begins(9);
    scene.pace.scraped({ startedAt, endedAt, requests: 12, changed: false, jitter: 1 });
    const early = scene.pace.waitMs(endedAt, { ...input, inFlight: 9, reportedSince: () => startedAt });
    assert.equal(early, 50 - PAGE_MS, "the excess of 3 is looked at again when the Envoys may have reported");
    const late = scene.pace.waitMs(startedAt + 50, { ...input, inFlight: 12, reportedSince: () => endedAt + 20 });
    assert.equal(late, 950, "the Envoys had sent them all");
  });

  test("are assumed while the Envoys are silent, or do not report at all", () => {
    const scene = new Scene();
    assert.equal(scene.settled({ requests: 12, inFlight: 7, reported: false }), 50);
    assert.equal(scene.settled({ requests: 12, inFlight: undefined }), 50);
    assert.equal(scene.settled({ requests: 0, inFlight: undefined }), 2000);
  });
});

test("the pace is fast for 2 s after adapters changed, and while the learner wants scrapes", () => {
  const scene = new Scene();
  scene.settled({ requests: 7, inFlight: 7 });
  assert.equal(scene.scrape({ requests: 7, inFlight: 7, changed: true }), 50);
  for (let passed = 50; passed < 2000; passed += 50) assert.equal(scene.scrape({ requests: 7, inFlight: 7 }), 50);
  assert.equal(scene.scrape({ requests: 7, inFlight: 7 }), 100);
  assert.equal(scene.settled({ requests: 7, inFlight: 7, learns: true }), 50);
});

test("where picks use queues, a busy pod is scraped fast, and no wait is longer than 500 ms", () => {
  const scene = new Scene();
  assert.equal(scene.settled({ requests: 7, inFlight: 7, usesQueues: true }), 50);
  assert.equal(scene.settled({ requests: 0, usesQueues: true }), 500);
  assert.equal(scene.settled({ requests: 7, inFlight: 7, usesQueues: true, costMs: 100 }), 500);
});

describe("the cost of a scrape", () => {
  test("is at most the share of a calm pod's time, and ten times the share while unseen requests change", () => {
    const scene = new Scene();
    assert.equal(scene.settled({ requests: 7, inFlight: 7, costMs: 8 }), 1600);
    assert.equal(scene.scrape({ requests: 12, inFlight: 7, costMs: 8 }), 160);
    const thrifty = new Scene({ share: 0.004 });
    assert.equal(thrifty.settled({ requests: 7, inFlight: 7, costMs: 6 }), 1500);
    assert.equal(thrifty.scrape({ requests: 12, inFlight: 7, costMs: 6 }), 150);
  });

  test("never makes a wait longer than maxInterval: a pod far away is not forgotten", () => {
    const scene = new Scene();
    assert.equal(scene.settled({ requests: 7, inFlight: 7, costMs: 60 }), 2000);
    assert.equal(scene.scrape({ requests: 12, inFlight: 7, costMs: 300 }), 2000);
  });
});

test("a restart makes the next waits short again", () => {
  const scene = new Scene();
  scene.settled({ requests: 7, inFlight: 7 });
  scene.pace.restart();
  assert.equal(scene.scrape({ requests: 7, inFlight: 7 }), 100);
});

test("the pace is fixed where maxInterval is not above the interval", () => {
  for (const maxIntervalMs of [50, 20]) {
    const scene = new Scene({ maxIntervalMs });
    assert.equal(scene.settled({ requests: 0 }), 50);
    assert.equal(scene.settled({ requests: 7, inFlight: 7, costMs: 40 }), 50);
    assert.equal(scene.scrape({ requests: 12, inFlight: 7 }), 50);
  }
});

test("a pod that does not say its requests counts as idle only while the Envoys have none there", () => {
  const scene = new Scene();
  assert.equal(scene.settled({ requests: null, inFlight: 7 }), 1000);
  assert.equal(scene.settled({ requests: null }), 2000);
});

test("jitter multiplies the wait", () => {
  const pace = new Pace(OPTIONS);
  pace.begins(0);
  pace.scraped({ startedAt: 1000, endedAt: 1000, requests: 4, changed: true, jitter: 1.1 });
  const input = { inFlight: 4, reportedSince: () => 2000, costMs: 0, usesQueues: false, learns: false };
  assert.equal(Math.round(pace.waitMs(1000, input)), 55);
  assert.equal(pace.plannedMs, 50);
});
