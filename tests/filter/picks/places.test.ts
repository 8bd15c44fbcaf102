// Places: requests fill the nearest place to its target, further requests go to the next place, and the shares do not oscillate.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mean, World } from "../support/places-world.ts";

const NEAR_FAR = [
  { name: "near", pods: 3 },
  { name: "far", pods: 3 },
];
const SIXTY = { mode: "utilization" as const, target: 0.6 };

/** Runs the world for `ms`. Returns the utilization of a place at each step. */
function watch(world: World, place: string, ms: number, rate: number): number[] {
  const seen: number[] = [];
  world.run(ms, rate, () => seen.push(world.utilization(place)));
  return seen;
}

/** Asserts that the mean of each second is within 5 % of the target. Single requests move the utilization within a second. */
function assertOnTarget(seen: readonly number[]): void {
  const seconds = Array.from({ length: Math.floor(seen.length / 100) }, (_, i) =>
    mean(seen.slice(i * 100, i * 100 + 100)),
  );
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)];
  assert.ok(least > 0.55 && most < 0.65, `${least}...${most} over seconds`);
}

describe("a target utilization", () => {
  test("below the target, every request stays in the nearest place", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    world.run(5000, 20);
    assert.deepEqual(Object.keys(world.got), ["near"]);
    assert.equal(world.gateway.counters()["places.spilled"], undefined);
    world.gateway.assertHealthy();
  });

  test("above the target, the nearest place stays within 60 ± 5 % and the far place takes the rest", () => {
    // Three endpoints with 12 requests each are at 60 %. So 36 requests a second fill the place, and 60 requests a second come.
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    world.run(6000, 60);
    const seen = watch(world, "near", 10000, 60);
    assert.ok(Math.abs(mean(seen) - 0.6) < 0.02, `mean ${mean(seen)}`);
    assertOnTarget(seen);
    assert.ok(world.utilization("far") > 0.3, `far ${world.utilization("far")}`);
  });

  test("requests that grow while they run cause no oscillation", () => {
    // The place has eight endpoints, so that the size of a single request has little effect.
    const places = NEAR_FAR.map((place) => ({ ...place, pods: 8 }));
    const world = new World({ places, policy: SIXTY, kv: [0.02, 0.08], duration: 2000 });
    world.run(8000, 80);
    assertOnTarget(watch(world, "near", 8000, 80));
  });

  test("four workers keep the same bounds", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY, workers: 4 });
    world.run(6000, 60);
    const seen = watch(world, "near", 6000, 60);
    assert.ok(Math.abs(mean(seen) - 0.6) < 0.03, `mean ${mean(seen)}`);
    assertOnTarget(seen);
  });

  test("when the nearest place has room again, all requests come back", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    world.run(8000, 60);
    world.run(3000, 20);
    const before = world.got.far;
    world.run(3000, 20);
    assert.equal(world.got.far, before);
  });

  test("over the target in all places, requests spread by how full the places are", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    world.run(10000, 100);
    const [near, far] = [world.utilization("near"), world.utilization("far")];
    assert.ok(near > 0.7 && far > 0.7 && Math.abs(near - far) < 0.15, `near ${near}, far ${far}`);
    assert.ok((world.gateway.counters()["places.full"] ?? 0) > 0);
  });
});

describe("a limit of in-flight requests", () => {
  const policy = { mode: "in-flight" as const, mostInFlight: 4 };

  test("one worker never exceeds the limit of an endpoint while any place has room", () => {
    const world = new World({ places: NEAR_FAR, policy });
    world.run(10000, 17);
    assert.equal(world.gateway.counters()["places.full"], undefined);
    assert.ok(Math.max(...Object.values(world.highest)) <= 4, JSON.stringify(world.highest));
    assert.ok((world.got.near ?? 0) > 100 && (world.got.far ?? 0) > 25, JSON.stringify(world.got));
  });

  test("several workers exceed the limit by no more than what the others start within two ticks", () => {
    const world = new World({ places: NEAR_FAR, policy, workers: 3 });
    world.run(10000, 16);
    assert.ok(Math.max(...Object.values(world.highest)) <= 4 + 2, JSON.stringify(world.highest));
  });

  test("a gateway takes the limit once for each pod behind it", () => {
    const places = [
      { name: "near", pods: 1 },
      { name: "far", pods: 1, behind: 5 },
    ];
    const world = new World({ places, policy });
    for (let i = 0; i < 24; i++) world.send(0);
    assert.deepEqual(world.got, { near: 4, far: 20 });
    assert.equal(world.gateway.counters()["places.full"], undefined);
    world.send(0);
    assert.equal(world.gateway.counters()["places.full"], 1);
  });

  test("a burst fills the nearest place to its limit and no further", () => {
    const world = new World({ places: NEAR_FAR, policy });
    for (let i = 0; i < 20; i++) world.send(0);
    assert.deepEqual(world.got, { near: 12, far: 8 });
  });
});

describe("losing a place", () => {
  test("the share of a lost place moves with the next snapshot, and returns slowly, without an overshoot", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    world.run(8000, 40);
    world.down.add("near");
    world.push();
    world.run(200, 40);
    const lost = world.got.near;
    world.run(3000, 40);
    assert.equal(world.got.near, lost);
    world.down.delete("near");
    const first = watch(world, "near", 1000, 40);
    assert.ok(Math.max(...first) < 0.15, `${Math.max(...first)} in the first second`);
    const seen = watch(world, "near", 20000, 40);
    assert.ok(Math.max(...seen) < 0.66, `overshoot to ${Math.max(...seen)}`);
    assert.ok(Math.abs(mean(seen.slice(-300)) - 0.6) < 0.04, `back at ${mean(seen.slice(-300))}`);
  });

  test("when all endpoints of a place fail, requests leave it before a snapshot shows the failure, and return slowly", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    const [near] = NEAR_FAR;
    assert.ok(near);
    for (const address of world.addresses(near)) {
      for (let i = 0; i < 3; i++) {
        const { stream } = world.send();
        stream.respond({ status: 503, body: "{}", upstreamAddress: address });
        stream.finish();
      }
    }
    world.open.length = 0;
    world.gateway.settle();
    const before = { ...world.got };
    for (let i = 0; i < 20; i++) world.send();
    assert.equal((world.got.far ?? 0) - (before.far ?? 0), 20, JSON.stringify(world.got));
    // The endpoints are ejected for a second. Then the place gets a fiftieth of its share, and steadily more.
    world.gateway.process.advance(1100);
    for (let i = 0; i < 100; i++) world.send();
    const back = (world.got.near ?? 0) - (before.near ?? 0);
    assert.ok(back < 25, `${back} of 100 at once`);
  });

  test("an endpoint in another place is the last to be tried", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    const { stream } = world.send();
    const tried = stream.outcome.requestHeaders?.get("x-gateway-destination-endpoint")?.split(",") ?? [];
    assert.deepEqual(
      tried.map((address) => world.placeOf(address)),
      ["near", "near", "far"],
    );
  });
});

describe("order and weight", () => {
  test("places of one order share by weight, and a full place leaves its share to the others", () => {
    const places = [
      { name: "a", pods: 2, order: 0, weight: 3 },
      { name: "b", pods: 2, order: 0, weight: 1 },
    ];
    const world = new World({ places, policy: { mode: "order" } });
    for (let i = 0; i < 2000; i++) world.send();
    assert.ok(Math.abs((world.got.a ?? 0) / 2000 - 0.75) < 0.04, JSON.stringify(world.got));
    const limited = new World({ places, policy: { mode: "in-flight", mostInFlight: 10 } });
    for (let i = 0; i < 40; i++) limited.send();
    assert.deepEqual(limited.got, { a: 20, b: 20 });
  });
});

describe("what users see", () => {
  test("each place has a counter of its own, and a dry run counts and moves nothing", () => {
    const world = new World({ places: NEAR_FAR, policy: { ...SIXTY, dryRun: true } });
    world.run(4000, 60);
    const metrics = world.gateway.process.metrics.values();
    assert.equal(metrics["pilotfish.place.near.picked"], 0);
    const would = (metrics["pilotfish.place.near.would_pick"] ?? 0) + (metrics["pilotfish.place.far.would_pick"] ?? 0);
    assert.equal(would, world.gateway.counters()["places.dry_run"]);
    const share = (world.got.far ?? 0) / ((world.got.far ?? 0) + (world.got.near ?? 0));
    assert.ok(Math.abs(share - 0.5) < 0.1, `${share} went far, as if there were no places`);
  });

  test("without a policy for the model, places change nothing", () => {
    const world = new World({ places: NEAR_FAR, policy: SIXTY });
    assert.equal(world.gateway.process.metrics.values()["pilotfish.place.far.picked"], 0);
  });

  test("the timeout of a policy is sent to Envoy's router", () => {
    const world = new World({ places: NEAR_FAR, policy: { ...SIXTY, timeoutMs: 300_000 } });
    const { stream } = world.send();
    assert.equal(stream.outcome.requestHeaders?.get("x-envoy-upstream-rq-timeout-ms"), "300000");
  });
});
