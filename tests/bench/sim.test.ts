import assert from "node:assert/strict";
import { test } from "node:test";
import { Draws } from "../../bench/sim/draws.ts";
import { makeLoad } from "../../bench/sim/loads.ts";
import { pilotfish } from "../../bench/sim/pilotfish/pilotfish.ts";
import { highest } from "../../bench/sim/rivals/choose.ts";
import { epp, PrefixIndex, scores } from "../../bench/sim/rivals/epp.ts";
import { home } from "../../bench/sim/rivals/home.ts";
import { simulate } from "../../bench/sim/simulate.ts";

const small = (seed: number) => makeLoad("sessions", { seed, requests: 150 });

test("the endpoint picker's scores are those of its documentation", () => {
  const metrics = [
    { waiting: 4, kvUsage: 0.5 },
    { waiting: 0, kvUsage: 0 },
    { waiting: 2, kvUsage: 1 },
  ];
  // queue 0, 1, 0.5; kv 0.5, 1, 0; prefix 1, 0, 0.25
  assert.deepEqual(scores(metrics, [8, 0, 2], 8), [0 + 1 + 3, 2 + 2 + 0, 1 + 0 + 0.75]);
  assert.deepEqual(scores([metrics[0] as never, metrics[0] as never], [0, 0], 0), [3, 3], "equal queues score 1");
});

test("the prefix index counts the leading blocks that a pod was sent, and forgets the oldest blocks", () => {
  const index = new PrefixIndex(2, 4);
  index.insert([1, 2, 3], 0);
  assert.deepEqual([...index.match([1, 2, 9, 3])], [2, 0]);
  index.insert([7, 8], 0);
  assert.deepEqual([...index.match([1, 2, 3])], [0, 0], "block 1 was the oldest of five");
});

test("ties are broken at random", () => {
  const draws = new Draws(1);
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) {
    const won = highest([1, 1, 0], draws);
    counts[won] = (counts[won] ?? 0) + 1;
  }
  assert.equal(counts[2], 0);
  assert.ok(Math.abs((counts[0] ?? 0) - 1500) < 150, String(counts));
});

test("weights decide how often an index is drawn", () => {
  const draws = new Draws(2);
  const counts = [0, 0, 0];
  for (let i = 0; i < 6000; i++) {
    const drawn = draws.weighted([3, 0, 1]);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  assert.equal(counts[1], 0);
  assert.ok(Math.abs((counts[0] ?? 0) - 4500) < 200, String(counts));
});

test("the same seed gives the same figures, and another seed gives others", () => {
  const once = simulate(small(3), epp, { seed: 3 });
  const again = simulate(small(3), epp, { seed: 3 });
  assert.deepEqual({ ...once, wallMs: 0 }, { ...again, wallMs: 0 });
  assert.notEqual(simulate(small(4), epp, { seed: 4 }).mean, once.mean);
});

test("with the filter's own code every request is answered once, and no count is left", () => {
  for (const profile of ["load", "tokens"] as const) {
    // close() of the contender throws if a count is left, and simulate() throws if a request is not answered once.
    const figures = simulate(small(5), pilotfish({ profile, workers: 2 }), { seed: 5 });
    assert.equal(figures.answered, 150);
  }
});

test("fixed homes: equal prefixes go to one pod, and all pods have the same number of prefixes", () => {
  const load = makeLoad("shared-80", { seed: 6, requests: 400 });
  const router = home.start({ pods: { length: 4 } } as never);
  const homes = new Map<string, Set<number>>();
  for (const request of load.requests) {
    const prompt = String(request.messages[0]?.content);
    homes.set(prompt, (homes.get(prompt) ?? new Set()).add(router.route(request).pod));
  }
  const perPod = [0, 0, 0, 0];
  for (const pods of homes.values()) {
    assert.equal(pods.size, 1);
    for (const pod of pods) perPod[pod] = (perPod[pod] ?? 0) + 1;
  }
  assert.ok(Math.max(...perPod) - Math.min(...perPod) <= 1, String(perPod));
});
