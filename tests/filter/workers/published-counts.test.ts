// Counts of in-flight requests that workers publish and receive.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import { A, B, base, C, complete, D, endpoint, Gateway, SUMMARY, threePods } from "../../../testkit/filter/gateway.ts";
import { fed, NOBODY, picked, total } from "../support/in-flight.ts";
import { sequence } from "../support/sequence.ts";

/** Offset of Summary.workers (assembly/workers/summary.ts), the number of keys that workers have claimed, u64. */
const WORKERS = 24;

function workerKeys(gateway: Gateway): string[] {
  return gateway.process.shared.keys("pilotfish").filter((key) => key.startsWith("pilotfish.counts."));
}

describe("counts of other workers", () => {
  test("the other worker receives a request within two ticks, and its end too", () => {
    const gateway = fed(2);
    const stream = gateway.chat("lora", 0);
    assert.equal(total(gateway.inFlight(1)), 0);
    gateway.settle();
    assert.deepEqual(gateway.inFlight(1), { ...NOBODY, [A]: 1 });
    stream.abort();
    gateway.settle();
    assert.deepEqual(gateway.inFlight(1), NOBODY);
  });

  test("each worker has the sum of all workers' counts, and counts no worker twice", () => {
    const gateway = fed(4);
    const streams = [0, 1, 2, 3].flatMap((worker) => [gateway.chat("m", worker), gateway.chat("m", worker)]);
    gateway.settle();
    for (const worker of [0, 1, 2, 3]) assert.equal(total(gateway.inFlight(worker)), 8, `worker ${worker}`);
    for (const stream of streams) stream.abort();
    gateway.settle();
    for (const worker of [0, 1, 2, 3]) assert.equal(total(gateway.inFlight(worker)), 0, `worker ${worker}`);
  });

  test("are exchanged ten times a second while the shared record has all counts, and on each tick when it cannot be written", () => {
    const gateway = fed(2);
    const { shared } = gateway.process;
    const set = shared.set.bind(shared);
    let refuses = false;
    let published = 0;
    shared.set = (vmId, key, value, cas) => {
      if (key.startsWith("pilotfish.counts.")) published++;
      return refuses && key.startsWith("pilotfish.load.") ? 8 : set(vmId, key, value, cas);
    };
    const halfSecond = () => {
      published = 0;
      for (let tick = 0; tick < 25; tick++) {
        for (const worker of [0, 1]) gateway.chat("m", worker);
        gateway.process.advance(20);
      }
      return published / 2;
    };
    halfSecond();
    const few = halfSecond();
    assert.ok(few >= 4 && few <= 6, `${few} in half a second`);
    refuses = true;
    const many = halfSecond();
    assert.ok(many >= 24, `${many} in half a second`);
    gateway.settle();
    for (const worker of [0, 1]) assert.equal(total(gateway.inFlight(worker)), 150);
  });

  test("requests of another worker steer the picks", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] });
    for (let i = 0; i < 5; i++) gateway.chat("only-a", 0);
    gateway.settle();
    const picks = Array.from({ length: 5 }, () => picked(gateway.chat("m", 1)));
    assert.deepEqual(picks, [B, B, B, B, B]);
  });

  test("two workers that claimed the same key have two keys after the next tick", () => {
    const gateway = fed(2);
    gateway.chat("lora", 0);
    gateway.chat("lora", 1);
    const second = gateway.worker(1);
    second.tickDue = undefined;
    gateway.process.advance(20);
    assert.deepEqual(workerKeys(gateway), ["pilotfish.counts.0"]);
    // The summary is reset, as if both workers had read it before either of them wrote. So the second worker claims the first's key.
    const summary = Buffer.from(gateway.process.shared.get("pilotfish", SUMMARY)?.value ?? "");
    gateway.process.shared.set("pilotfish", SUMMARY, summary.fill(0, WORKERS, WORKERS + 8));
    second.tick();
    assert.deepEqual(workerKeys(gateway), ["pilotfish.counts.0"]);
    gateway.process.advance(60);
    assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [2, 2]);
    assert.deepEqual(workerKeys(gateway), ["pilotfish.counts.0", "pilotfish.counts.1"]);
  });

  test("the counts of a worker that died are used for 1.2 s, and then dropped", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.settle();
    assert.equal(gateway.inFlight(0)[A], 1);
    const dead = gateway.worker(1);
    dead.tickDue = undefined;
    gateway.process.advance(1100);
    assert.equal(gateway.inFlight(0)[A], 1);
    gateway.process.advance(200);
    assert.equal(gateway.inFlight(0)[A], 0);
    gateway.assertHealthy();
  });

  test("the counts of a worker with nothing new are used for as long as it lives", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.process.advance(1900);
    gateway.feed(threePods());
    gateway.process.advance(1900);
    gateway.feed(threePods());
    assert.equal(gateway.inFlight(0)[A], 1);
  });

  test("the key of a dead worker is taken over after 10 s", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.settle();
    gateway.worker(1).tickDue = undefined;
    gateway.process.advance(10_100);
    gateway.feed(threePods());
    gateway.chat("lora", 0);
    gateway.settle();
    assert.deepEqual(workerKeys(gateway), ["pilotfish.counts.0"]);
    assert.equal(gateway.inFlight(0)[A], 1);
  });

  test("a worker that stood still for longer, and whose key another worker took, claims a new key", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.settle();
    const still = gateway.worker(1);
    still.tickDue = undefined;
    gateway.process.advance(10_100);
    gateway.feed(threePods());
    gateway.chat("lora", 0);
    // After this time the other worker no longer checks its key.
    gateway.process.advance(1500);
    assert.deepEqual(workerKeys(gateway), ["pilotfish.counts.0"]);
    still.tickDue = gateway.process.now;
    gateway.process.advance(60);
    assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [2, 2]);
    gateway.process.advance(5000);
    gateway.feed(threePods());
    assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [2, 2]);
  });

  test("counts for another topology are not added to the wrong endpoints", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.settle();
    gateway.worker(1).tickDue = undefined;
    gateway.feed({ endpoints: [endpoint(D), endpoint(B), endpoint(C)], models: [] });
    assert.deepEqual(gateway.inFlight(0), { [B]: 0, [C]: 0, [D]: 0 });
  });

  test("foreign bytes under the filter's keys are ignored", () => {
    const gateway = fed(2);
    for (const value of ["", "x", "y".repeat(31), "z".repeat(44), "w".repeat(100_000)]) {
      gateway.process.shared.set("pilotfish", "pilotfish.counts.0", Buffer.from(value));
      gateway.process.shared.set("pilotfish", SUMMARY, Buffer.alloc(32, 255));
      gateway.settle();
      gateway.process.shared.set("pilotfish", SUMMARY, Buffer.from(value));
      gateway.settle();
    }
    assert.deepEqual(gateway.inFlight(0), NOBODY);
    gateway.assertHealthy();
  });
});

describe("many requests", () => {
  // With 40 seeds and 24 open requests, the measured standard deviation of an endpoint's number of requests is 18, 3 % of the mean.
  test("2,000 short requests of two workers spread over three equal endpoints within 10 % of the mean", () => {
    const gateway = fed(2);
    const next = sequence(1);
    const counts: Record<string, number> = { [A]: 0, [B]: 0, [C]: 0 };
    const open: Stream[] = [];
    for (let i = 0; i < 2000; i++) {
      const stream = gateway.chat("m", next(2));
      const pod = picked(stream);
      counts[pod] = (counts[pod] ?? 0) + 1;
      open.push(stream);
      if (open.length > 24) {
        const [one] = open.splice(next(open.length), 1) as [Stream];
        complete(one, picked(one));
      }
      if (i % 10 === 0) gateway.process.advance(5);
      if (i % 200 === 0) gateway.feed(threePods());
    }
    for (const count of Object.values(counts)) assert.ok(Math.abs(count - 2000 / 3) < 67, JSON.stringify(counts));
  });
});
