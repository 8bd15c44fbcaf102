// Each way of support/counter-ways.ts moves its counter once, and no others than those named with it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Process, Root } from "../../../emulator/index.ts";
import { A, COUNTERS, endpoint, GAUGES, Gateway, threePods } from "../../../testkit/filter/gateway.ts";
import { release } from "../../../testkit/filter/release.ts";
import { WAYS } from "../support/counter-ways.ts";

describe("counters", () => {
  test("each counter of the list has a way", () => {
    assert.deepEqual(Object.keys(WAYS).sort(), [...COUNTERS].sort());
  });

  test("all counters are there from the first configuration on, and are 0", () => {
    const gateway = new Gateway();
    const metrics = gateway.process.metrics.values();
    assert.deepEqual(Object.keys(metrics).sort(), [...COUNTERS, ...GAUGES].sort());
    assert.deepEqual([...new Set(Object.values(metrics))], [0]);
    new Process().startVm(release);
  });

  for (const [name, { way, also = {}, configuration = {}, bodies = true }] of Object.entries(WAYS)) {
    test(`${name} 's way moves it once, and no others than those named with it`, () => {
      const gateway = new Gateway({ configuration, bodies });
      way(gateway);
      gateway.expectCounters({ ...also, [name.replace("pilotfish.", "")]: 1 });
    });
  }

  test("two roots of one VM share the counters, and count once", () => {
    const gateway = new Gateway();
    new Root(gateway.worker().vm, { allowOnHeadersStopIteration: true });
    gateway.send({ method: "GET", path: "/" });
    gateway.expectCounters({ requests: 1, no_body: 1 });
  });
});

describe("gauges", () => {
  test("the snapshot's gauges follow it: its age in milliseconds and its endpoints", () => {
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
