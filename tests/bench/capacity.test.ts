import assert from "node:assert/strict";
import { test } from "node:test";
import { poolCapacity } from "../../bench/sim/capacity.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import { home } from "../../bench/sim/rivals/home.ts";
import { simulate } from "../../bench/sim/simulate.ts";
import { SimClock } from "../../simulator/clock.ts";
import { Engine } from "../../simulator/engine/engine.ts";
import type { HardwareName } from "../../simulator/hardware.ts";

/** Requests a second of one pod that has all requests of a load from the start. */
function saturated(load: ReturnType<typeof makeLoad>): number {
  const clock = new SimClock();
  const pod = new Engine(load.params(0), clock, () => 0.5);
  // The end of the run, with a shrinking batch, does not count.
  const counted = load.requests.length * 0.8;
  let left = counted;
  let seconds = 0;
  for (const { prompt, outputTokens } of load.requests) {
    const finished = () => {
      if (--left === 0) seconds = clock.now() / 1000;
    };
    pod.submit({
      promptTokens: prompt.tokens,
      hashes: prompt.hashes,
      outputTokens,
      listener: { token() {}, finished },
    });
  }
  clock.drain();
  return counted / seconds;
}

test("the estimated capacity is near that of a saturated pod", () => {
  for (const name of ["as-assumed", "l4-8b", "cpu-like"] as const) {
    const load = makeLoad("mixed", { seed: 1, requests: 500, pods: 1, hardware: [name] });
    const measured = saturated(load);
    const ratio = poolCapacity([load.params(0)], load.requests) / measured;
    assert.ok(ratio > 0.9 && ratio < 1.3, `${name}: ${ratio} of ${measured} requests a second`);
  }
});

test("a load has the same fraction of the capacity on any hardware", () => {
  const fraction = (...names: HardwareName[]) => {
    const load = makeLoad("mixed", { seed: 2, requests: 400, hardware: names });
    const pods = Array.from({ length: load.pods }, (_, pod) => load.params(pod));
    return 400 / ((load.requests.at(-1)?.at ?? 0) / 1000) / poolCapacity(pods, load.requests);
  };
  const assumed = fraction("as-assumed");
  for (const names of [["l4-8b"], ["fast"], ["l4-8b", "h100-8b"]] as const) {
    assert.ok(Math.abs(fraction(...names) / assumed - 1) < 1e-6, names.join());
  }
});

test("without --hardware or with a rate the arrivals are as given", () => {
  const end = (options: object) => makeLoad("mixed", { seed: 3, requests: 100, ...options }).requests.at(-1)?.at;
  assert.equal(end({ hardware: ["as-assumed"] }), end({}));
  assert.equal(end({ hardware: ["l4-8b"], rate: 20 }), end({ rate: 20 }));
});

test("pods have the presets in turn, and a load's own number of KV blocks stays", () => {
  const params = makeLoad("shared-80", { seed: 1, requests: 10, hardware: ["l4-8b", "h100-8b"] }).params;
  assert.deepEqual(
    [0, 1, 2].map((pod) => params(pod).tokenBudget),
    [2048, 8192, 2048],
  );
  assert.deepEqual(
    [0, 1].map((pod) => params(pod).kvBlocks),
    [8192, 8192],
  );
  assert.equal(makeLoad("mixed", { seed: 1, requests: 10, hardware: ["l4-8b"] }).params(0).kvBlocks, 1440);
});

test("with a number of seconds a load on slow pods has fewer requests in the same time", () => {
  const load = (hardware: HardwareName) => makeLoad("mixed", { seed: 1, seconds: 60, hardware: [hardware] });
  const slow = load("l4-like");
  assert.ok(slow.requests.length < load("as-assumed").requests.length / 4);
  assert.ok(Math.abs((slow.requests.at(-1)?.at ?? 0) / 60_000 - 1) < 0.2);
});

test("the capacity of the overload is what fixed homes answer, however many requests come", () => {
  for (const name of ["as-assumed", "l4-8b"] as const) {
    const at = (rate?: number) => makeLoad("overload-100", { seed: 1, requests: 900, hardware: [name], rate });
    const { requests } = at();
    const capacity = requests.length / ((requests.at(-1)?.at ?? 0) / 1000);
    const { answersPerSecond } = simulate(at(capacity * 2), home, { seed: 1 });
    assert.ok(Math.abs(answersPerSecond / capacity - 1) < 0.07, `${name}: ${answersPerSecond} of ${capacity}`);
  }
});
