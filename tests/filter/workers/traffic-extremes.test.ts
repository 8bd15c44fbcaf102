// Traffic pushes and polls under clocks that are set back, long silence, large fleets and large sums.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { encodeSnapshot } from "../../../protocol/encode.ts";
import { A, B, base, endpoint, Gateway, routed, threePods } from "../../../testkit/filter/gateway.ts";
import { askReport } from "../support/envoys.ts";
import { answered, pushTraffic, reportOf, sendPoll } from "../support/polls.ts";

const picked = (stream: Stream) => routed(stream.outcome).destination?.split(",")[0] as string;
const twoPods = { endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B])] };

const snapshot = (version: bigint, view: object) =>
  encodeSnapshot({ version, source: 7n, endpoints: [], models: [], ...view });

function fed(view: object = threePods(), workers = 2, profile = "load"): Gateway {
  const gateway = new Gateway({ workers, configuration: { pick: { profile, onStale: "ignore" } } });
  gateway.feed(view);
  return gateway;
}

function elsewhere(gateway: Gateway, worker: number): Record<string, number> {
  const { endpoints } = gateway.read(worker).json as { endpoints: { address: string; inFlightElsewhere: number }[] };
  return Object.fromEntries(endpoints.map(({ address, inFlightElsewhere }) => [address, inFlightElsewhere]));
}

test("after the clock was set back by a minute, a snapshot leaves the counts of traffic pushes as they are", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.settle();
  gateway.process.now -= 60_000_000_000n;
  gateway.process.advance(10_000);
  pushTraffic(gateway, { [A]: { requests: 4 } });
  gateway.settle();
  assert.equal(elsewhere(gateway, 1)[A], 4, "the push counts");
  gateway.feed(threePods());
  assert.equal(elsewhere(gateway, 1)[A], 4, "the next snapshot, which comes 10 times a second, must not wipe it");
});

test("after the clock was set back by a minute, counts are forgotten 2 s after the last push", () => {
  const gateway = fed();
  pushTraffic(gateway, { [A]: { requests: 3 } });
  gateway.settle();
  gateway.process.now -= 60_000_000_000n;
  for (const worker of gateway.workers) worker.tick();
  pushTraffic(gateway, { [A]: { requests: 4 } });
  for (let i = 0; i < 6; i++) {
    gateway.process.now += 1_000_000_000n;
    for (const worker of gateway.workers) worker.tick();
  }
  assert.equal(elsewhere(gateway, 1)[A], 0);
});

test("counts of a push that is long forgotten do not come back when the endpoints change", () => {
  const gateway = fed(twoPods, 1);
  pushTraffic(gateway, { [A]: { requests: 50 } });
  gateway.process.advance(3_600_000);
  assert.equal(elsewhere(gateway, 0)[A], 0);
  // The snapshot with another endpoint arrives, and a poll or a report comes before the worker's next tick.
  const version = 1_800_000_000_000_000n;
  gateway.push(snapshot(version, threePods()));
  askReport(gateway);
  assert.equal(elsewhere(gateway, 0)[A], 0);
});

test("the lease outlives the pause between two polls of a collector of 200 Envoys", () => {
  const gateway = fed();
  const have = askReport(gateway);
  const collector = sendPoll(gateway, have, { envoys: 200 });
  const bystander = sendPoll(gateway, have, { collector: 0, envoys: 0, known: 5 });
  gateway.chat("lora", 0);
  gateway.process.advance(20);
  answered(collector);
  // SPACING_MS_PER_ENVOY * 200 = 300 ms from question to question (sidecar/push/envoys.ts).
  gateway.process.advance(275);
  assert.equal(reportOf(bystander)?.collector, undefined, "the other sidecar's poll says that there is no collector");
});

for (const sent of [1_000_000_000, 3_000_000_000])
  test(`waiting tokens of other Envoys lengthen the queue when ${sent} tokens were sent so far`, () => {
    const gateway = fed(twoPods, 1, "tokens");
    pushTraffic(gateway, {});
    gateway.settle();
    pushTraffic(gateway, { [A]: { pending: 400_000, sent } });
    gateway.settle();
    const picks = Array.from({ length: 16 }, () => {
      const stream = gateway.chat("m");
      const to = picked(stream);
      stream.abort();
      return to;
    });
    assert.deepEqual(new Set(picks), new Set([B]));
  });
