import assert from "node:assert/strict";
import { test } from "node:test";
import { Gate } from "../../../sidecar/scrape/scrape-limit.ts";

test("no more scrapes are under way than allowed, and failing pods have a quarter of the places", () => {
  const gate = new Gate(8);
  assert.deepEqual([gate.enter(true), gate.enter(true), gate.enter(true)], [true, true, false]);
  for (let i = 0; i < 6; i++) assert.equal(gate.enter(false), true);
  assert.equal(gate.enter(false), false);
  gate.leave(true);
  assert.equal(gate.enter(true), true);
  assert.equal(gate.enter(false), false);
  assert.equal(gate.inside, 8);
});

test("with one place only a failing pod can still come back", () => {
  const gate = new Gate(1);
  assert.equal(gate.enter(true), true);
  gate.leave(true);
  assert.equal(gate.inside, 0);
});
