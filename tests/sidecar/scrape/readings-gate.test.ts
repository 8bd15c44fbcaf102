// How long a sidecar leaves a pod to another sidecar that reads the pod.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadingsGate } from "../../../sidecar/scrape/shared/readings-gate.ts";

test("without readings of another sidecar a scrape is not put off", () => {
  assert.equal(new ReadingsGate().waitMs(5), 0);
});

test("a scrape is put off for two intervals after the scrape of the last reading", () => {
  const gate = new ReadingsGate();
  gate.take(1000, 50, 1010);
  assert.equal(gate.waitMs(1010), 90);
  assert.equal(gate.waitMs(1100), 0);
  gate.take(1050, 200, 1060);
  assert.equal(gate.waitMs(1100), 350);
});

test("readings that arrive late put it off for longer, but never for more than three intervals", () => {
  const gate = new ReadingsGate();
  for (let at = 0; at <= 1000; at += 50) gate.take(at, 50, at + 40);
  assert.equal(gate.waitMs(1040), 1000 + 50 + 80 - 1040);
  const slow = new ReadingsGate();
  for (let at = 0; at <= 5000; at += 50) slow.take(at, 50, at + 400);
  assert.equal(slow.waitMs(5000), 150);
});

test("lateness is forgotten when readings are in time again", () => {
  const gate = new ReadingsGate();
  gate.take(0, 50, 0);
  gate.take(50, 50, 100);
  assert.equal(gate.waitMs(50), 150);
  for (let at = 100; at <= 5000; at += 50) gate.take(at, 50, at);
  assert.equal(gate.waitMs(5000), 100);
});

test("a reading that is older than the last one changes nothing", () => {
  const gate = new ReadingsGate();
  gate.take(1000, 50, 1000);
  gate.take(900, 5000, 1001);
  assert.equal(gate.waitMs(1001), 99);
});

test("a sidecar that takes over scrapes when the other one would have", () => {
  const gate = new ReadingsGate();
  gate.take(1000, 500, 1010);
  gate.takeOver();
  assert.equal(gate.waitMs(1200), 300);
});
