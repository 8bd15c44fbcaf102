// A worker with few requests is idle between them. It then ticks every 200 ms, and when a request comes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Root } from "../../../emulator/index.ts";
import { A, B, base, complete, endpoint, Gateway, threePods } from "../../../testkit/filter/gateway.ts";
import { fed, NOBODY, picked, total } from "../support/in-flight.ts";

const BUSY = 20;
const RESTING = 200;

describe("a worker is idle", () => {
  test("a worker is idle when its last request has ended, and busy while one is in flight", () => {
    const gateway = fed();
    const { vm } = gateway.worker();
    const period = () => vm.roots.map((root) => root.tickPeriod);
    assert.deepEqual(period(), [RESTING]);
    const [first, second] = [gateway.chat("m"), gateway.chat("m")];
    assert.deepEqual(period(), [BUSY]);
    gateway.process.advance(1000);
    first.abort();
    gateway.process.advance(1000);
    assert.deepEqual(period(), [BUSY]);
    second.abort();
    assert.deepEqual(period(), [RESTING]);
    gateway.process.advance(1000);
    assert.deepEqual(period(), [RESTING]);
  });

  test("a worker with more than two requests since its last tick stays busy until the next tick", () => {
    const gateway = fed();
    const root = gateway.worker();
    gateway.process.advance(RESTING);
    for (let i = 0; i < 3; i++) complete(gateway.chat("m"), A);
    assert.equal(root.tickPeriod, BUSY);
    gateway.process.advance(BUSY);
    assert.equal(root.tickPeriod, BUSY, "three in the last 20 ms");
    gateway.process.advance(BUSY);
    assert.equal(root.tickPeriod, RESTING);
  });

  test("all roots of an idle worker's VM tick every 200 ms", () => {
    const gateway = fed();
    const { vm } = gateway.worker();
    gateway.workers.push(new Root(vm, { allowOnHeadersStopIteration: true }));
    const streams = [gateway.chat("m", 0), gateway.chat("m", 1)];
    gateway.process.advance(1000);
    assert.ok(vm.roots.some((root) => root.tickPeriod === BUSY));
    for (const stream of streams) complete(stream, A);
    gateway.process.advance(2 * BUSY);
    assert.deepEqual(
      vm.roots.map((root) => root.tickPeriod),
      [RESTING, RESTING],
    );
  });

  test("an idle worker asks for no ticks of a deleted root", () => {
    const gateway = fed();
    const stream = gateway.chat("m");
    gateway.worker().close();
    stream.abort();
    assert.equal(stream.hostCallCount("proxy_set_tick_period_milliseconds"), 1, "when it came");
    gateway.assertHealthy();
  });

  test("a worker becomes idle also when its last request had no record, or was refused", () => {
    const gateway = fed();
    gateway.send({ method: "GET", path: "/" });
    assert.equal(gateway.worker().tickPeriod, BUSY);
    gateway.process.advance(2 * BUSY);
    assert.equal(gateway.worker().tickPeriod, RESTING);
    gateway.send({ path: "/", headers: { "content-type": "application/json" }, body: "{" }).abort();
    assert.equal(gateway.worker().tickPeriod, RESTING);
  });
});

describe("a worker that becomes idle", () => {
  test("the worker publishes at once that its requests have ended", () => {
    const gateway = fed(2);
    const stream = gateway.chat("lora", 0);
    gateway.settle();
    assert.deepEqual(gateway.inFlight(1), { ...NOBODY, [A]: 1 });
    gateway.process.advance(100);
    stream.abort();
    assert.deepEqual(gateway.inFlight(1), NOBODY);
  });

  test("the worker publishes at once which prompts it sent to which endpoint", () => {
    const gateway = new Gateway({ workers: 2, configuration: { pick: { profile: "tokens" } } });
    gateway.feed(threePods());
    const chat = (worker: number, text: string) => {
      const messages = [{ role: "user", content: text.repeat(4000) }];
      return gateway.send(
        {
          method: "POST",
          path: "/v1/chat/completions",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "m", messages }),
        },
        worker,
      );
    };
    for (const text of ["a", "b", "c", "d", "e", "f"]) {
      gateway.process.advance(50);
      const stream = chat(0, text);
      const pod = picked(stream);
      complete(stream, pod);
      gateway.process.advance(50);
      const other = chat(1, text);
      assert.equal(picked(other), pod, `prompt ${text}`);
      complete(other, pod);
    }
  });

  test("all gauges are right within 200 ms", () => {
    const gateway = fed(2);
    const streams = [0, 1, 0, 1, 0].map((worker) => gateway.chat("m", worker));
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 5);
    for (const stream of streams) stream.abort();
    gateway.process.advance(RESTING);
    assert.equal(gateway.gauge("in_flight"), 0);
  });
});

describe("a request that comes to an idle worker", () => {
  test("the pick uses the counts that the other workers published meanwhile", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] });
    complete(gateway.chat("m", 1), A);
    for (let i = 0; i < 5; i++) gateway.chat("only-a", 0);
    gateway.process.advance(60);
    assert.equal(gateway.worker(1).tickPeriod, RESTING);
    assert.equal(picked(gateway.chat("m", 1)), B);
    assert.equal(total(gateway.inFlight(1)), 6);
  });

  test("the first pick of a new worker uses what the other workers have, before the worker's first tick", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] });
    for (let i = 0; i < 3; i++) gateway.chat("only-a", i % 2);
    gateway.settle();
    gateway.startWorker();
    assert.equal(picked(gateway.chat("m", 2)), B);
    assert.equal(total(gateway.inFlight(2)), 4);
  });

  test("the pick uses the snapshot that another worker received meanwhile", () => {
    const gateway = fed(2);
    gateway.process.advance(1000);
    gateway.feed({ endpoints: [endpoint(B)], models: [base("m", [B])] }, 0);
    assert.equal(gateway.worker(1).tickPeriod, RESTING);
    assert.equal(picked(gateway.chat("m", 1)), B);
  });
});
