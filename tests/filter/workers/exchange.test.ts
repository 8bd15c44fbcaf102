// Envoys exchange what they have in flight through the real sidecar's code, with a simulated clock: how soon each knows of the others'
// requests, how many messages this takes, and what happens when sidecars die.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { A, complete } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { Fleet } from "../support/fleet.ts";
import { sequence } from "../support/sequence.ts";

/** Each Envoy has a sidecar of its own. */
const beside = (envoys: number) => Array.from({ length: envoys }, (_, i) => [i]);

function fleetOf(t: TestContext, envoys: number, sidecars: readonly (readonly number[])[], workers = 2): Fleet {
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  const fleet = new Fleet(t.mock.timers, { envoys, sidecars, workers });
  t.after(() => fleet.close());
  return fleet;
}

const collectors = (fleet: Fleet) => fleet.gateways.map((gateway) => askReport(gateway).collector);

for (const [layout, sidecars] of [
  ["one sidecar for both Envoys", [[0, 1]]],
  ["a sidecar beside each Envoy", beside(2)],
] as const)
  test(`what a busy Envoy sends and ends, each worker of the other knows within 30 ms: ${layout}`, async (t) => {
    const fleet = fleetOf(t, 2, sidecars);
    await fleet.run(1500);
    const next = sequence(7);
    const took: number[] = [];
    const open: { envoy: number; stream: Stream }[] = [];
    for (let round = 0; round < 80; round++) {
      // Each change comes at another moment of the ticks, and the Envoys stay busy between the changes.
      await fleet.run(3 + next(60));
      const envoy = next(2);
      const mine = open.findIndex((one) => one.envoy === envoy);
      if (mine >= 0 && next(3) === 0) complete((open.splice(mine, 1)[0] as { stream: Stream }).stream, A);
      else open.push({ envoy, stream: fleet.gateway(envoy).chat("lora", next(2)) });
      const truth = open.filter((one) => one.envoy === envoy).length;
      const seen = next(2);
      took.push(await fleet.run(200, () => fleet.elsewhere(1 - envoy, A, seen) === truth));
    }
    const worst = Math.max(...took.slice(6));
    assert.ok(worst <= 30, `the slowest took ${worst} ms: ${took.join(" ")}`);
  });

test("the messages of idle Envoys grow with their number, not with its square, and each gets few", async (t) => {
  const rates: number[] = [];
  for (const envoys of [2, 8]) {
    const fleet = fleetOf(t, envoys, beside(envoys), 1);
    await fleet.run(4000);
    const before = fleet.messages.reduce((sum, one) => sum + one, 0);
    await fleet.run(8000);
    rates.push((fleet.messages.reduce((sum, one) => sum + one, 0) - before) / 8);
    assert.equal(new Set(collectors(fleet)).size, 1);
    fleet.close();
    t.mock.timers.reset();
  }
  const [two = 0, eight = 0] = rates;
  assert.ok(two <= 2 * 5.5, `${two} a second for two Envoys`);
  assert.ok(eight <= 8 * 6.5, `${eight} a second for eight`);
});

test("one sidecar collects; when it dies another takes over within half a second, and no request is counted twice or lost", async (t) => {
  const fleet = fleetOf(t, 3, beside(3));
  await fleet.run(2000);
  const [collector = 0] = collectors(fleet);
  assert.deepEqual(collectors(fleet), [collector, collector, collector]);
  fleet.gateway(0).chat("lora");
  fleet.gateway(1).chat("lora");
  const known = (sums: readonly number[]) =>
    sums.every((sum, i) => [0, 1].every((worker) => fleet.elsewhere(i, A, worker) === sum));
  assert.ok((await fleet.run(300, () => known([1, 1, 2]))) < 300);
  fleet.kill(collector - 1);
  const took = await fleet.run(3000, () => {
    const now = collectors(fleet);
    return now.every((one) => one !== 0 && one !== collector && one === now[0]);
  });
  assert.ok(took <= 600, `${took} ms: ${collectors(fleet)}`);
  fleet.gateway(2).chat("lora");
  assert.ok((await fleet.run(100, () => known([2, 2, 2]))) < 100);
});

test("sidecars that begin at once agree on one collector, and so do those that see it die at once", async (t) => {
  const fleet = fleetOf(t, 2, [
    [0, 1],
    [0, 1],
    [1, 0],
  ]);
  await fleet.run(1500);
  assert.deepEqual(collectors(fleet), [1, 1]);
  fleet.kill(0);
  await fleet.run(1200);
  const [successor] = collectors(fleet);
  assert.ok(successor === 2 || successor === 3);
  assert.deepEqual(collectors(fleet), [successor, successor]);
});
