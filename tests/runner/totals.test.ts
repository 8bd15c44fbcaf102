import assert from "node:assert/strict";
import { test } from "node:test";
import { countAsPect } from "./totals.ts";

test("as-pect's summary is counted despite its colours", () => {
  assert.deepEqual(countAsPect("\u001b[1m[Tests]: \u001b[32m12\u001b[39m / 14\n", 1), {
    passed: 12,
    failed: 2,
    skipped: 0,
  });
});

test("an as-pect run that crashed before its summary is a failure", () => {
  assert.equal(countAsPect("no summary", 0).failed, 1);
  assert.equal(countAsPect("[Tests]: 3 / 3", 1).failed, 1);
});
