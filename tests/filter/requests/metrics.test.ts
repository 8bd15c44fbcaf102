import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTERS, GAUGES, Gateway } from "../../../testkit/filter/gateway.ts";

test("the filter defines the metrics of its list and no other, in its first configuration", () => {
  const gateway = new Gateway();
  assert.deepEqual(Object.keys(gateway.process.metrics.values()).sort(), [...COUNTERS, ...GAUGES].sort());
});
