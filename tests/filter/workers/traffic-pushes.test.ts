// Traffic pushes: what the other Envoys have in flight, and the prefixes that they sent, apart from snapshots.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { encodePrefixes, textHash } from "../../../protocol/traffic.ts";
import { encodeTrafficPush } from "../../../protocol/traffic-report.ts";
import { A, B, base, C, complete, endpoint, Gateway, routed, threePods } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { pushTraffic } from "../support/polls.ts";

const picked = (stream: Stream) => routed(stream.outcome).destination?.split(",")[0] as string;
const twoPods = { endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] };

function elsewhere(gateway: Gateway, worker: number): Record<string, number> {
  const { endpoints } = gateway.read(worker).json as { endpoints: { address: string; inFlightElsewhere: number }[] };
  return Object.fromEntries(endpoints.map(({ address, inFlightElsewhere }) => [address, inFlightElsewhere]));
}

function fed(view: object = threePods(), workers = 2, profile = "load"): Gateway {
  const gateway = new Gateway({ workers, configuration: { pick: { profile, onStale: "ignore" } } });
  gateway.feed(view);
  return gateway;
}

test("all workers count what other Envoys have in flight; a push replaces all counts of the push before", () => {
  const gateway = fed();
  assert.equal(pushTraffic(gateway, { [A]: { requests: 3 }, [C]: { requests: 1 }, "9.9.9.9:9": { requests: 7 } }), 200);
  gateway.settle();
  for (const worker of [0, 1]) assert.deepEqual(elsewhere(gateway, worker), { [A]: 3, [B]: 0, [C]: 1 });
  assert.equal(pushTraffic(gateway, { [B]: { requests: 2 } }, { worker: 1 }), 200);
  gateway.settle();
  for (const worker of [0, 1]) assert.deepEqual(elsewhere(gateway, worker), { [A]: 0, [B]: 2, [C]: 0 });
  gateway.expectCounters({ "snapshot.stored": 1, "traffic.stored": 2, "snapshot.read": 4 });
});

test("the next pick counts a push, before any tick, on a worker that did not get it", () => {
  const gateway = fed(twoPods);
  pushTraffic(gateway, { [A]: { requests: 1 } });
  gateway.settle();
  pushTraffic(gateway, { [A]: { requests: 9 } });
  assert.deepEqual([picked(gateway.chat("m", 1)), picked(gateway.chat("m", 1))], [B, B]);
});

test("requests count from the first push on, before they are settled", () => {
  const gateway = fed(twoPods, 1);
  pushTraffic(gateway, { [A]: { requests: 4, lasted: 0 } });
  gateway.settle();
  assert.equal(picked(gateway.chat("m")), B);
});

test("a snapshot without the section REMOTE leaves pushed counts as they are, and one with it does not replace them", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.feed(threePods());
  assert.equal(elsewhere(gateway, 1)[A], 3);
  const counts = { [A]: { requests: 8, lasted: 8, pending: 0, sent: 0 } };
  gateway.feed({ ...threePods(), remote: { envoys: 1, counts } });
  assert.equal(elsewhere(gateway, 1)[A], 3);
  gateway.process.advance(2100);
  gateway.feed({ ...threePods(), remote: { envoys: 1, counts } });
  assert.equal(elsewhere(gateway, 1)[A], 8, "when no pushes come any more");
});

test("counts are forgotten 2 s after the last push", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.process.advance(1900);
  assert.equal(elsewhere(gateway, 1)[A], 3);
  gateway.process.advance(400);
  for (const worker of [0, 1]) assert.equal(elsewhere(gateway, worker)[A], 0);
  assert.equal(gateway.gauge("in_flight_elsewhere"), 0);
});

test("endpoints that appear after a push have their counts at once", () => {
  const gateway = fed(twoPods);
  pushTraffic(gateway, { [A]: { requests: 3 }, [C]: { requests: 5 } });
  gateway.settle();
  gateway.feed(threePods());
  for (const worker of [0, 1]) assert.deepEqual(elsewhere(gateway, worker), { [A]: 3, [B]: 0, [C]: 5 });
});

test("a worker that starts later knows the pushed counts", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.startWorker();
  gateway.process.advance(240);
  assert.equal(elsewhere(gateway, 2)[A], 3);
});

test("pushed prefixes attract requests on all workers, idle ones too, and are not reported as this Envoy's own", () => {
  const gateway = fed(threePods(), 3, "tokens");
  const prompt = (salt: string) => ({
    method: "POST",
    path: "/v1/chat/completions",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: `${salt} ${"word ".repeat(1500)}` }] }),
  });
  const other = new Gateway({ seed: 9, configuration: { pick: { profile: "tokens" } } });
  other.feed(threePods());
  gateway.process.advance(1000);
  for (const salt of ["one", "two", "three", "four"]) {
    const first = other.send(prompt(salt));
    complete(first, picked(first));
    other.settle();
    const { prefixes } = askReport(other);
    gateway.process.advance(500);
    assert.equal(pushTraffic(gateway, {}, { prefixes }), 200);
    gateway.process.advance(210);
    for (const worker of [0, 1, 2]) {
      const stream = gateway.send(prompt(salt), worker);
      assert.equal(picked(stream), picked(first), `${salt} on worker ${worker}`);
      stream.abort();
    }
  }
  const silent = fed(threePods(), 2, "tokens");
  pushTraffic(silent, {}, { prefixes: askReport(other).prefixes });
  silent.settle();
  assert.equal(askReport(silent).prefixes.length, 0);
});

test("a flood of pushed prefixes stays within its memory, and the newest are received", () => {
  const gateway = fed(threePods(), 2, "tokens");
  for (let i = 0; i < 300; i++) {
    const blocks = Array.from({ length: 200 }, (_, k) => BigInt(1 + i * 1000 + k));
    const record = { endpoint: textHash(A), seed: 7n, units: 0, number: 0n, blocks };
    assert.equal(pushTraffic(gateway, {}, { prefixes: encodePrefixes([record, record]), worker: i % 2 }), 200);
    if (i % 10 === 0) gateway.process.advance(20);
  }
  gateway.process.advance(1000);
  gateway.assertHealthy();
});

test("a broken push is refused by a rule of snapshots, and changes nothing", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.settle();
  const prefixes = encodePrefixes([{ endpoint: textHash(A), seed: 7n, units: 0, number: 1n, blocks: [1n, 2n] }]);
  const counts = new Map([[textHash(A), { requests: 2, lasted: 1, pending: 4, sent: 5 }]]);
  const whole = encodeTrafficPush({ envoys: 2, counts, prefixes });
  const edits: [at: number, value: number, rule: number][] = [
    [4, 2, 3],
    [8, 0, 4],
    [13, 0x29, 9],
    [12, 2, 1],
    [17, 5, 43],
    [48, 6, 1],
    [49, 0x40, 9],
    [64 + 12, 3, 45],
    [64 + 11, 1, 45],
    [64 + 19, 0x50, 45],
    [64 + 24 + 16, 0, 46],
    [64 + 24 + 16, 3, 46],
  ];
  for (const [at, value, rule] of edits) {
    const broken = whole.slice();
    broken[at] = value;
    const { status, json } = gateway.push(broken);
    assert.equal(status, 400, `byte ${at}`);
    assert.match(json.error.message, new RegExp(`rule ${rule} `), `byte ${at}`);
  }
  for (let length = 0; length < whole.length; length += 3)
    assert.equal(gateway.push(whole.subarray(0, length)).status, 400);
  gateway.settle();
  for (const worker of [0, 1]) assert.equal(elsewhere(gateway, worker)[A], 3);
  assert.equal(gateway.push(whole, {}).status, 401);
  gateway.assertHealthy();
});
