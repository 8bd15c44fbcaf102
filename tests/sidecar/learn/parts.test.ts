// The parts of the learner that have no world of their own: equations, windows, capacities, rates from first bytes, told values.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelSums } from "../../../protocol/model-sums.ts";
import { CapacityFit } from "../../../sidecar/learn/capacity-fit.ts";
import { risesOfSums } from "../../../sidecar/learn/envoy-sums.ts";
import { FirstByteFit } from "../../../sidecar/learn/first-byte-fit.ts";
import { Gradual } from "../../../sidecar/learn/gradual.ts";
import { ModelWindows } from "../../../sidecar/learn/model-windows.ts";
import { NormalEquations } from "../../../sidecar/learn/normal-equations.ts";
import { NO_SUMS } from "../../../testkit/learn/token-world.ts";

const ANY = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
const INFINITE = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

function line(): NormalEquations {
  const equations = new NormalEquations(2);
  for (const x of [1, 2, 5, 7]) equations.add([1, x], 3 - 2 * x, 4);
  return equations;
}

test("equations find the line through points, with the variance of its parameters", () => {
  const { beta, variance } = line().solve(ANY, INFINITE) ?? { beta: [], variance: [] };
  assert.ok(Math.abs((beta[0] as number) - 3) < 1e-9 && Math.abs((beta[1] as number) + 2) < 1e-9, `${beta}`);
  // (XT W X)^-1 of these four points.
  assert.ok(Math.abs((variance[1] as number) - 4 / (4 * 4 * 79 - 4 * 15 * 15)) < 1e-9, `${variance}`);
});

test("a parameter that would leave its bounds stays on the bound, and the other is the best beside it", () => {
  const { beta = [] } = line().solve([-10, -1], [10, 10]) ?? {};
  assert.equal(beta[1], -1);
  // The mean of y + x over the points.
  assert.ok(Math.abs((beta[0] as number) - (3 - 15 / 4)) < 1e-9, `${beta}`);
  assert.deepEqual(line().solve([0, -1], [10, 10])?.beta, [0, -1]);
});

test("parameters that nothing determines have no solution; a prior determines them", () => {
  const equations = new NormalEquations(2);
  equations.add([1, 1], 4, 1);
  assert.equal(equations.solve(ANY, INFINITE), undefined);
  equations.addPrior(0, 1, 1e-3);
  equations.addPrior(1, 3, 1e-3);
  const { beta = [] } = equations.solve(ANY, INFINITE) ?? {};
  assert.ok(Math.abs((beta[0] as number) - 1) < 1e-6 && Math.abs((beta[1] as number) - 3) < 1e-6, `${beta}`);
});

test("sums of an Envoy rise over 2^32, and a sum that fell is a new beginning", () => {
  const before = { ...NO_SUMS, requests: 2 ** 32 - 3, bytes: [2 ** 32 - 10, 0, 0, 0, 0] };
  const after = { ...NO_SUMS, requests: 4, bytes: [90, 0, 0, 0, 0] };
  const rises = risesOfSums(before, after);
  assert.deepEqual([rises?.requests, rises?.bytes[0]], [7, 100]);
  assert.equal(risesOfSums({ ...NO_SUMS, requests: 5 }, NO_SUMS), undefined);
  assert.equal(risesOfSums({ ...NO_SUMS, fit: [1, 0, 0, 0, 0] }, NO_SUMS), undefined);
});

const rise = (requests: number): ModelSums => ({ ...NO_SUMS, requests, bytes: [400 * requests, 0, 0, 0, 0] });
const counters = (requests: number) => ({
  promptTokens: 100 * requests,
  promptRequests: requests,
  cachedTokens: 0,
  startedAt: 1,
});

/** Reads one server and one Envoy every 100 ms for `seconds`; both count 20 requests a second. `change`: what happens instead. */
function windowsOf(seconds: number, change: (windows: ModelWindows, step: number) => boolean = () => false): number {
  const windows = new ModelWindows();
  let count = 0;
  for (let step = 0; step <= seconds * 10; step++) {
    const at = step * 100;
    if (change(windows, step)) continue;
    if (windows.scraped("a", counters(2 * step), at) !== undefined) count++;
    if (windows.reported("e", step === 0 ? undefined : rise(2), at + 10) !== undefined) count++;
  }
  return count;
}

test("windows follow each other while servers and Envoys are read", () => {
  assert.ok(windowsOf(20) >= 15);
});

test("no window ends while a server of the model or an Envoy is not read", () => {
  assert.equal(
    windowsOf(20, (windows, step) => step === 0 && windows.scraped("b", counters(0), 0) !== undefined) > 0,
    true,
  );
  const silent = windowsOf(9, (windows, step) => {
    windows.scraped("b", counters(0), Math.min(step, 5) * 100);
    return false;
  });
  assert.ok(silent <= 2, `${silent} windows, though b was read for 0.5 s only`);
  const missing = windowsOf(9, (windows, step) => {
    if (step < 5) return false;
    windows.scraped("a", counters(2 * step), step * 100);
    return true;
  });
  assert.ok(missing <= 2, `${missing} windows, though reports came for 0.5 s only`);
});

test("a server that does not count prompt tokens ends all windows; a server that starts anew all the time is left out", () => {
  assert.equal(
    windowsOf(20, (windows) => windows.scraped("b", {}, 0) !== undefined),
    0,
  );
  const restarting = windowsOf(20, (windows, step) => {
    windows.scraped("b", { ...counters(1), startedAt: step }, step * 100);
    return false;
  });
  assert.ok(restarting >= 15, `${restarting} windows`);
});

test("the servers' tokens and the Envoys' bytes of all windows together are complete", () => {
  const windows = new ModelWindows();
  let tokens = 0;
  let bytes = 0;
  for (let step = 0; step <= 300; step++) {
    // The Envoy counts each request one reading later.
    for (const found of [
      windows.scraped("a", counters(2 * step), step * 100),
      windows.reported("e", step === 0 ? undefined : rise(step === 1 ? 0 : 2), step * 100 + 10),
    ]) {
      tokens += found?.tokens ?? 0;
      bytes += found?.own.bytes[0] ?? 0;
    }
  }
  assert.ok(tokens > 50_000);
  assert.ok(Math.abs(tokens - bytes / 4) <= 400, `${tokens} tokens of ${bytes} bytes`);
});

function capacityAfter(periods: number, found: number, expected: number, foreign = 0, store = false): number {
  const fit = new CapacityFit();
  for (let i = 0; i < periods * 30; i++) {
    const own = { ...NO_SUMS, requests: 100, cachedTokens: expected };
    fit.add({ ms: 2000, tokens: 1e6, requests: 100 + foreign, cached: { low: found, high: found }, own }, store);
  }
  return fit.factor;
}

test("a capacity is corrected by small steps, both ways, if hits differ by much for a minute", () => {
  assert.equal(capacityAfter(0.9, 40_000, 10_000), 1);
  assert.equal(capacityAfter(1, 40_000, 10_000), 1.25);
  assert.ok(Math.abs(capacityAfter(1, 10_000, 40_000) - 1 / 1.25) < 1e-9);
  assert.equal(capacityAfter(1000, 40_000, 10_000), 16);
  assert.equal(capacityAfter(1000, 10_000, 40_000), 0.25);
});

test("a store of unknown size makes steps upwards larger", () => {
  assert.equal(capacityAfter(1, 40_000, 10_000, 0, true), 2);
  assert.ok(Math.abs(capacityAfter(1, 10_000, 40_000, 0, true) - 1 / 1.25) < 1e-9);
});

test("a capacity stays if hits differ by up to 30 %, are few, or others send requests too", () => {
  assert.equal(capacityAfter(50, 12_900, 10_000), 1);
  assert.equal(capacityAfter(50, 10_000, 12_900), 1);
  assert.equal(capacityAfter(1, 4000, 1000), 1);
  assert.equal(capacityAfter(50, 40_000, 10_000, 10), 1);
});

test("a capacity stays if the windows do not agree", () => {
  const fit = new CapacityFit();
  for (let i = 0; i < 300; i++) {
    const own = { ...NO_SUMS, requests: 100, cachedTokens: 20_000 };
    const found = i % 3 === 0 ? 90_000 : 19_000;
    fit.add({ ms: 2000, tokens: 1e6, requests: 100, cached: { low: found, high: found }, own });
  }
  assert.equal(fit.factor, 1);
});

const near2000 = ({ rate = 0 }: FirstByteFit) => Math.abs(rate - 2000) < 100;

test("the slope of the time to the first byte is the rate, drawn to the default while requests are few", () => {
  const fit = new FirstByteFit();
  const add = (times: number) => {
    const sums = [0, 0, 0, 0, 0];
    for (let i = 0; i < times; i++) {
      const x = (i * 977) % 8000;
      const y = 0.05 + x / 2000;
      for (const [k, value] of [1, x, y, x * x, x * y].entries()) (sums[k] as number) += value;
    }
    fit.add(sums);
  };
  assert.equal(fit.rate, undefined);
  add(20);
  assert.equal(fit.rate, undefined);
  add(500);
  assert.ok(near2000(fit), `${fit.rate}`);
  fit.add([Number.NaN, 1, 1, 1, 1]);
  fit.add([10, Number.POSITIVE_INFINITY, 1, 1, 1]);
  assert.ok(near2000(fit), `${fit.rate}`);
});

test("requests of equal size tell no rate", () => {
  const fit = new FirstByteFit();
  fit.add([1000, 1000 * 500, 100, 1000 * 500 * 500, 50_000]);
  assert.equal(fit.rate, undefined);
});

test("a told value follows gradually, and neither small changes nor broken ones", () => {
  const value = new Gradual(20_000, 0);
  assert.ok(Math.abs(value.follow(1000, 1000) - 20_000 * Math.exp(-0.4)) < 1e-6);
  assert.equal(value.follow(1000, 10_000), 1000);
  assert.equal(value.follow(1005, 20_000), 1000);
  for (const broken of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(value.follow(broken, 30_000), 1000);
  assert.equal(value.follow(2000, 25_000), 1000, "a time that goes back changes nothing");
});
