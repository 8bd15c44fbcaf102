// The states of a pod: starting, ready, failing and down, by scrapes and probes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../../sidecar/health.ts";

function readyPod(threshold = 3): Health {
  const health = new Health(threshold);
  health.scraped();
  health.modelsRead();
  return health;
}

test("a pod is ready when metrics and models were read, in either order", () => {
  const health = new Health(3);
  assert.equal(health.ready, false);
  health.scraped();
  assert.equal(health.ready, false);
  health.modelsRead();
  assert.equal(health.ready, true);
  const other = new Health(3);
  other.modelsRead();
  assert.equal(other.ready, false);
  other.scraped();
  assert.equal(other.ready, true);
});

test("a pod stays ready below the threshold of failures, and is down at the threshold", () => {
  const health = readyPod();
  health.failed("timeout");
  health.failed("reset");
  assert.deepEqual([health.state, health.ready], ["failing", true]);
  health.scraped();
  assert.equal(health.state, "ready");
  for (const reason of ["timeout", "status", "timeout"] as const) health.failed(reason);
  assert.deepEqual([health.state, health.ready], ["down", false]);
});

test("a refused connection makes a pod down at once", () => {
  const health = readyPod();
  health.failed("refused");
  assert.equal(health.ready, false);
});

test("a pod that was down is ready when its models were read again", () => {
  const health = readyPod();
  health.failed("refused");
  health.scraped();
  assert.deepEqual([health.state, health.needsModels], ["starting", true]);
  health.modelsRead();
  assert.equal(health.state, "ready");
});

test("a pod that never responded goes from starting to down at the threshold", () => {
  const health = new Health(2);
  health.failed("timeout");
  assert.equal(health.state, "starting");
  health.failed("timeout");
  assert.equal(health.state, "down");
});

const LIMITS = { failures: 2, successes: 2 };

test("with probes, a pod turns ready after `successes` in a row and not ready after `failures` in a row", () => {
  const health = new Health(3, true);
  health.scraped();
  health.modelsRead();
  assert.equal(health.ready, false);
  health.probed(true, LIMITS);
  assert.equal(health.ready, false);
  health.probed(true, LIMITS);
  assert.equal(health.ready, true);
  health.probed(false, LIMITS);
  assert.equal(health.ready, true);
  health.probed(true, LIMITS);
  health.probed(false, LIMITS);
  assert.equal(health.ready, true);
  health.probed(false, LIMITS);
  assert.deepEqual([health.ready, health.state, health.probe], [false, "ready", false]);
  health.probed(true, LIMITS);
  health.probed(true, LIMITS);
  assert.equal(health.ready, true);
});

test("a pod that was down must pass a new probe", () => {
  const health = new Health(3, true);
  health.scraped();
  health.modelsRead();
  health.probed(true, { failures: 3, successes: 1 });
  assert.equal(health.ready, true);
  health.failed("refused");
  health.scraped();
  health.modelsRead();
  assert.deepEqual([health.ready, health.probe], [false, null]);
  health.probed(true, { failures: 3, successes: 1 });
  assert.equal(health.ready, true);
});

test("without probes the probe's result is undefined", () => {
  assert.equal(readyPod().probe, undefined);
});
