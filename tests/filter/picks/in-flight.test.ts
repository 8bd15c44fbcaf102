// Counts of in-flight requests. They are exact in every worker, and a request is uncounted however it ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../../../emulator/index.ts";
import {
  A,
  answerOf,
  B,
  base,
  C,
  chat,
  complete,
  D,
  endpoint,
  Gateway,
  JSON_TYPE,
  threePods,
} from "../../../testkit/filter/gateway.ts";
import { fed, NOBODY, picked } from "../support/in-flight.ts";
import { sequence } from "../support/sequence.ts";

describe("a worker's own requests", () => {
  test("requests spread over idle endpoints, are shown by endpoint and by the gauge, and end at 0", () => {
    const gateway = fed();
    const streams = Array.from({ length: 9 }, () => gateway.chat("m"));
    assert.deepEqual(gateway.inFlight(), { [A]: 3, [B]: 3, [C]: 3 });
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 9);
    for (const stream of streams) complete(stream, picked(stream));
    assert.deepEqual(gateway.inFlight(), NOBODY);
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 0);
  });

  test("a request stays counted until its response has ended, not only begun", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    stream.respond({ chunks: ["data: 1\n\n"], upstreamAddress: A, end: false });
    assert.equal(gateway.inFlight()[A], 1);
    stream.responseBody("data: [DONE]\n\n", true);
    stream.finish();
    assert.equal(gateway.inFlight()[A], 0);
  });

  test("an endpoint whose queue is longer by 5 gets no request until the others have caught up", () => {
    const gateway = new Gateway();
    const pods = [endpoint(A, { waiting: 5 }), endpoint(B), endpoint(C)];
    gateway.feed({ endpoints: pods, models: [base("m", [A, B, C])] });
    for (let i = 0; i < 10; i++) assert.notEqual(picked(gateway.chat("m")), A, `request ${i}`);
    assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 5, [C]: 5 });
  });
});

describe("an abort", () => {
  const body = Buffer.from(String(chat("m").body));
  const phases: [string, (gateway: Gateway) => Stream][] = [
    [
      "after the headers",
      (gateway) => {
        const stream = gateway.stream();
        stream.sendHeaders({ ":method": "POST", ":path": "/", ...JSON_TYPE });
        return stream;
      },
    ],
    [
      "in the middle of the body",
      (gateway) => {
        const stream = gateway.stream();
        stream.sendHeaders({ ":method": "POST", ":path": "/", ...JSON_TYPE });
        stream.sendBody(body.subarray(0, 20));
        return stream;
      },
    ],
    ["before a response", (gateway) => gateway.chat("m")],
    [
      "in the middle of the response",
      (gateway) => {
        const stream = gateway.chat("m");
        stream.respond({ chunks: ["data: 1\n\n"], upstreamAddress: picked(stream), end: false });
        return stream;
      },
    ],
    [
      "in the middle of a rerouted response",
      (gateway) => {
        const stream = gateway.chat("lora");
        stream.respond({ chunks: ["data: 1\n\n"], upstreamAddress: B, end: false });
        return stream;
      },
    ],
    [
      "after a refusal",
      (gateway) => {
        const stream = gateway.send({ path: "/", body: "{" });
        assert.equal(answerOf(stream).status, 400);
        return stream;
      },
    ],
  ];
  for (const [when, begin] of phases) {
    test(`an abort ${when} uncounts the request`, () => {
      const gateway = fed();
      for (let i = 0; i < 100; i++) begin(gateway).abort();
      gateway.settle();
      assert.deepEqual(gateway.inFlight(), NOBODY);
      assert.equal(gateway.gauge("in_flight"), 0);
      gateway.assertHealthy();
    });
  }

  test("10,000 requests on two workers, a third of them aborted, leave nothing in flight", () => {
    const gateway = fed(2);
    const open: Stream[] = [];
    const next = sequence(1);
    for (let i = 0; i < 10_000; i++) {
      if (i % 3 === 0 && next(2) === 0) {
        const stream = gateway.stream(i % 2);
        stream.sendHeaders({ ":method": "POST", ":path": "/", ...JSON_TYPE });
        stream.sendBody(body.subarray(0, next(body.length)));
        stream.abort();
      } else open.push(gateway.chat("m", i % 2));
      if (open.length > 64) {
        const [stream] = open.splice(next(open.length), 1) as [Stream];
        if (i % 3 === 0) stream.abort();
        else complete(stream, [A, B, C, "9.9.9.9:9"][next(4)] as string);
      }
      if (i % 100 === 0) gateway.process.advance(10);
    }
    for (const stream of open) stream.abort();
    gateway.settle();
    assert.deepEqual([gateway.inFlight(0), gateway.inFlight(1)], [NOBODY, NOBODY]);
    assert.equal(gateway.gauge("in_flight"), 0);
    gateway.assertHealthy();
  });
});

describe("snapshots that come while requests are in flight", () => {
  test("counts stay with a new snapshot, also for an endpoint that leaves and returns", () => {
    const gateway = fed();
    const streams = [gateway.chat("lora"), gateway.chat("lora")];
    gateway.feed({ endpoints: [endpoint(D)], models: [base("m", [D])] });
    assert.deepEqual(gateway.inFlight(), { [D]: 0 });
    assert.equal(gateway.gauge("in_flight"), 2, "they still run");
    streams.pop()?.abort();
    gateway.feed(threePods());
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [A]: 1 });
    streams.pop()?.abort();
    assert.deepEqual(gateway.inFlight(), NOBODY);
  });

  test("a snapshot that lists the endpoints in another order of places moves no count", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    const before = "10.0.0.0:8000";
    gateway.feed({ endpoints: [endpoint(before), ...threePods().endpoints], models: [base("m", [before, A])] });
    assert.deepEqual(gateway.inFlight(), { [before]: 0, ...NOBODY, [A]: 1 });
    stream.abort();
    assert.deepEqual(gateway.inFlight(), { [before]: 0, ...NOBODY });
  });

  test("an empty snapshot takes the other workers' counts out of the gauge", () => {
    const gateway = fed(2);
    const stream = gateway.chat("m", 1);
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 1);
    stream.abort();
    gateway.feed({});
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 0);
  });
});
