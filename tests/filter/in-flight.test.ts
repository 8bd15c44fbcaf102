// Requests in flight: exact in every worker, told to the others, given back however a request ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Stream } from "../host/vm.ts";
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
  routed,
  threePods,
} from "./gateway.ts";

function fed(workers = 1, configuration: object = {}): Gateway {
  const gateway = new Gateway({ workers, configuration });
  gateway.feed(threePods());
  return gateway;
}

const NOBODY = { [A]: 0, [B]: 0, [C]: 0 };
const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const picked = (stream: Stream) => routed(stream.outcome).destination?.split(",")[0] as string;

/** Numerical Recipes' generator: any fixed sequence does. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("a worker's own requests", () => {
  test("spread over idle pods, are shown by endpoint and by the gauge, and end at 0", () => {
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

  test("a pod whose queue is longer by 5 gets none until the others have caught up", () => {
    const gateway = new Gateway();
    const pods = [endpoint(A, { waiting: 5 }), endpoint(B), endpoint(C)];
    gateway.feed({ endpoints: pods, models: [base("m", [A, B, C])] });
    for (let i = 0; i < 10; i++) assert.notEqual(picked(gateway.chat("m")), A, `request ${i}`);
    assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 5, [C]: 5 });
  });
});

describe("a request that another pod answered", () => {
  test("is counted there from then on, and as rerouted", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [A]: 1 });
    stream.respond({ body: "{}", upstreamAddress: C });
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 1 });
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    assert.equal(gateway.counters().rerouted, 1);
  });

  test("that no snapshot lists is counted nowhere, once", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    stream.respond({ body: "{}", upstreamAddress: "6.6.6.6:6" });
    assert.deepEqual(gateway.inFlight(), NOBODY);
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 0);
  });

  test("is not rerouted where the pick answered, or where Envoy names nobody", () => {
    const gateway = fed();
    complete(gateway.chat("lora"), A);
    const stream = gateway.chat("lora");
    stream.respond({ status: 503, body: "no healthy upstream" });
    assert.equal(gateway.inFlight()[A], 1);
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    assert.equal(gateway.counters().rerouted, undefined);
  });

  test("without a pick is counted on whoever answers, and is no reroute", () => {
    const gateway = fed();
    const stream = gateway.chat("not-listed");
    stream.respond({ chunks: ["{"], upstreamAddress: B, end: false });
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [B]: 1 });
    stream.abort();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    gateway.expectCounters({
      "snapshot.stored": 1,
      requests: 1,
      unknown_model: 1,
      "snapshot.read": 2,
    });
  });
});

for (const profile of ["load", "tokens"]) {
  describe(`once many picks in a row were followed, with profile ${profile}`, () => {
    const trusted = () => {
      const gateway = fed(1, { pick: { profile } });
      for (let i = 0; i < 200; i++) complete(gateway.chat("lora"), A);
      return gateway;
    };
    /** Two streams at a time: at most one in 16 is looked at. */
    const elsewhere = (gateway: Gateway) => {
      const streams = [gateway.chat("lora"), gateway.chat("lora")];
      for (const stream of streams) stream.respond({ chunks: ["{"], upstreamAddress: C, end: false });
      return streams;
    };
    const late = (gateway: Gateway, milliseconds: number) => {
      for (let i = 0; i < 5; i++) {
        const stream = gateway.chat("lora");
        gateway.process.advance(milliseconds);
        complete(stream, A);
      }
    };

    test("what another pod answers at once is counted there if it lasts for a tick", () => {
      const gateway = trusted();
      const streams = elsewhere(gateway);
      assert.ok((gateway.inFlight()[A] ?? 0) >= 1, "one at least is not looked at yet");
      gateway.settle();
      assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 2 });
      assert.equal(gateway.counters().rerouted, 2);
      for (const stream of streams) stream.abort();
      gateway.settle();
      assert.deepEqual(gateway.inFlight(), NOBODY);
      assert.equal(gateway.gauge("in_flight"), 0);
    });

    test("what another pod answers after a tick is counted there at once", () => {
      const gateway = trusted();
      const stream = gateway.chat("lora");
      gateway.settle();
      stream.respond({ chunks: ["{"], upstreamAddress: C, end: false });
      assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 1 });
    });

    test("one in 16 of the short ones is looked at, and all of them again after one that was not followed", () => {
      const gateway = trusted();
      for (let i = 0; i < 16; i++) complete(gateway.chat("lora"), B);
      const first = gateway.counters().rerouted ?? 0;
      assert.ok(first >= 1, "one of 16 was seen");
      for (let i = 0; i < 20; i++) complete(gateway.chat("lora"), B);
      assert.equal(gateway.counters().rerouted, first + 20);
      assert.deepEqual(gateway.inFlight(), NOBODY);
    });

    test("a few answers in the next tick do not end it, as many longer ones do", () => {
      const gateway = trusted();
      late(gateway, 20);
      const streams = elsewhere(gateway);
      assert.ok((gateway.inFlight()[A] ?? 0) >= 1, "one at least is not looked at yet");
      for (const stream of streams) stream.abort();
      late(gateway, 60);
      elsewhere(gateway);
      assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 2 });
    });
  });
}

test("with profile tokens a streamed answer is looked at however many picks were followed", () => {
  const gateway = fed(1, { pick: { profile: "tokens" } });
  for (let i = 0; i < 200; i++) complete(gateway.chat("lora"), A);
  const body = JSON.stringify({ model: "lora", stream: true, messages: [{ role: "user", content: "hello" }] });
  for (let i = 1; i <= 3; i++) {
    const stream = gateway.send({ method: "POST", path: "/v1/chat/completions", headers: JSON_TYPE, body });
    stream.respond({ chunks: ["data: 1\n\n"], upstreamAddress: C, end: false });
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: i });
  }
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
    test(`${when} gives back what was counted`, () => {
      const gateway = fed();
      for (let i = 0; i < 100; i++) begin(gateway).abort();
      gateway.settle();
      assert.deepEqual(gateway.inFlight(), NOBODY);
      assert.equal(gateway.gauge("in_flight"), 0);
      gateway.assertHealthy();
    });
  }

  test("10,000 requests over two workers, a third of them aborted, leave nothing in flight", () => {
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
  test("keep their counts, also of a pod that goes away and comes back", () => {
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

  test("that list the pods in another order of places move no count", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    const before = "10.0.0.0:8000";
    gateway.feed({ endpoints: [endpoint(before), ...threePods().endpoints], models: [base("m", [before, A])] });
    assert.deepEqual(gateway.inFlight(), { [before]: 0, ...NOBODY, [A]: 1 });
    stream.abort();
    assert.deepEqual(gateway.inFlight(), { [before]: 0, ...NOBODY });
  });

  test("an empty one takes the other workers' counts out of the gauge", () => {
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

describe("what workers tell each other", () => {
  test("a request on one worker is seen by the other within two ticks, and its end too", () => {
    const gateway = fed(2);
    const stream = gateway.chat("lora", 0);
    assert.equal(total(gateway.inFlight(1)), 0);
    gateway.settle();
    assert.deepEqual(gateway.inFlight(1), { ...NOBODY, [A]: 1 });
    stream.abort();
    gateway.settle();
    assert.deepEqual(gateway.inFlight(1), NOBODY);
  });

  test("each worker sees the sum of all, and counts nobody twice", () => {
    const gateway = fed(4);
    const streams = [0, 1, 2, 3].flatMap((worker) => [gateway.chat("m", worker), gateway.chat("m", worker)]);
    gateway.settle();
    for (const worker of [0, 1, 2, 3]) assert.equal(total(gateway.inFlight(worker)), 8, `worker ${worker}`);
    for (const stream of streams) stream.abort();
    gateway.settle();
    for (const worker of [0, 1, 2, 3]) assert.equal(total(gateway.inFlight(worker)), 0, `worker ${worker}`);
  });

  test("what another worker sent steers the picks; what it was not told yet counts once for each worker", () => {
    const gateway = new Gateway({ workers: 2 });
    gateway.feed({ endpoints: [endpoint(A), endpoint(B)], models: [base("m", [A, B]), base("only-a", [A])] });
    for (let i = 0; i < 5; i++) gateway.chat("only-a", 0);
    gateway.settle();
    // A burst reaches all workers at once: three untold requests on B weigh six, one more than the five on A.
    const picks = Array.from({ length: 4 }, () => picked(gateway.chat("m", 1)));
    assert.deepEqual(picks, [B, B, B, A]);
  });

  test("two workers that claimed the same key part at the next tick", () => {
    const gateway = fed(2);
    gateway.chat("lora", 0);
    gateway.chat("lora", 1);
    gateway.worker(0).tick();
    // As if both had read "no worker yet" before either wrote: the second claims the key of the first.
    const none = Buffer.alloc(4);
    gateway.process.setShared("pilotfish", "pilotfish.workers", none);
    gateway.worker(1).tick();
    gateway.process.advance(60);
    assert.deepEqual([gateway.inFlight(0)[A], gateway.inFlight(1)[A]], [2, 2]);
    assert.deepEqual(
      gateway.process.sharedKeys("pilotfish").filter((key) => key.startsWith("pilotfish.worker.")),
      ["pilotfish.worker.0", "pilotfish.worker.1"],
    );
  });

  test("a worker that died is believed for 1.5 s, then its counts are forgotten", () => {
    const gateway = fed(2);
    gateway.chat("lora", 1);
    gateway.settle();
    assert.equal(gateway.inFlight(0)[A], 1);
    const dead = gateway.worker(1);
    dead.tickDue = undefined;
    gateway.process.advance(1400);
    assert.equal(gateway.inFlight(0)[A], 1);
    gateway.process.advance(200);
    assert.equal(gateway.inFlight(0)[A], 0);
    gateway.assertHealthy();
  });

  test("a worker with nothing new to tell is believed for as long as it lives", () => {
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
    const keys = gateway.process.sharedKeys("pilotfish").filter((key) => key.startsWith("pilotfish.worker."));
    assert.deepEqual(keys, ["pilotfish.worker.0"]);
    assert.equal(gateway.inFlight(0)[A], 1);
  });

  test("counts for another topology are not added to the wrong pods", () => {
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
      gateway.process.setShared("pilotfish", "pilotfish.worker.0", Buffer.from(value));
      gateway.process.setShared("pilotfish", "pilotfish.workers", Buffer.from([255, 255, 255, 255]));
      gateway.settle();
      gateway.process.setShared("pilotfish", "pilotfish.workers", Buffer.from(value));
      gateway.settle();
    }
    assert.deepEqual(gateway.inFlight(0), NOBODY);
    gateway.assertHealthy();
  });
});

describe("many requests", () => {
  // Seen over 40 seeds: at 24 open requests the standard deviation of a pod's share is 18, 3 % of the mean.
  test("2,000 short ones over three equal pods from two workers are spread within 10 % of the mean", () => {
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
