// Counters and gauges. For each counter, support/counter-ways.ts has a way to move it. The way moves this counter once, and otherwise
// only the counters that are named with it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Process, Root } from "../../../emulator/index.ts";
import { A, COUNTERS, endpoint, GAUGES, Gateway, threePods } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";
import { WAYS } from "../support/counter-ways.ts";

describe("counters", () => {
  test("each counter of the list has a way in support/counter-ways.ts", () => {
    assert.deepEqual(Object.keys(WAYS).sort(), [...COUNTERS].sort());
  });

  test("all counters exist from the first configuration on, and are 0", () => {
    const gateway = new Gateway();
    const metrics = gateway.process.metrics.values();
    assert.deepEqual(Object.keys(metrics).sort(), [...COUNTERS, ...GAUGES].sort());
    assert.deepEqual([...new Set(Object.values(metrics))], [0]);
    new Process().startVm(release);
  });

  for (const [name, { way, also = {}, configuration = {}, bodies = true }] of Object.entries(WAYS)) {
    test(`the way of ${name} moves this counter once, and otherwise only the counters named with it`, () => {
      const gateway = new Gateway({ configuration, bodies });
      way(gateway);
      gateway.expectCounters({ ...also, [name.replace("pilotfish.", "")]: 1 });
    });
  }

  test("two roots of one VM share the counters, and count a request once", () => {
    const gateway = new Gateway();
    new Root(gateway.worker().vm, { allowOnHeadersStopIteration: true });
    gateway.send({ method: "GET", path: "/" });
    gateway.expectCounters({ requests: 1, no_body: 1 });
  });
});

describe("gauges", () => {
  test("gauges show the snapshot's age in milliseconds and its number of endpoints", () => {
    const gateway = new Gateway();
    gateway.feed(threePods());
    gateway.process.advance(1000);
    assert.equal(gateway.gauge("snapshot.endpoints"), 3);
    const age = gateway.gauge("snapshot.age_ms") ?? -1;
    assert.ok(age > 840 && age <= 1040, `${age}: set every 200 ms`);
    const busy = gateway.chat("m");
    gateway.process.advance(1000);
    const later = gateway.gauge("snapshot.age_ms") ?? -1;
    assert.ok(later > 1840 && later <= 2040, `${later}: of a busy worker as well`);
    busy.abort();
    gateway.feed({ endpoints: [endpoint(A)], models: [] });
    gateway.process.advance(160);
    assert.equal(gateway.gauge("snapshot.endpoints"), 1);
    assert.ok((gateway.gauge("snapshot.age_ms") ?? -1) <= 200);
  });

  test("the list has five gauges", () => {
    assert.deepEqual(GAUGES, [
      "pilotfish.hold.now",
      "pilotfish.in_flight",
      "pilotfish.in_flight_elsewhere",
      "pilotfish.snapshot.age_ms",
      "pilotfish.snapshot.endpoints",
    ]);
  });
});
