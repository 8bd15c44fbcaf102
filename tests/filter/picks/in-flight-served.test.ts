// In-flight requests are counted on the endpoint that answers, whichever endpoint was picked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, B, C, complete, type Gateway, JSON_TYPE } from "../../../testkit/filter/gateway.ts";
import { fed, NOBODY } from "../support/in-flight.ts";

describe("a request that another endpoint answered", () => {
  test("the request is counted on the other endpoint from then on, and counted as rerouted", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [A]: 1 });
    stream.respond({ body: "{}", upstreamAddress: C });
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 1 });
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    assert.equal(gateway.counters().rerouted, 1);
  });

  test("a request is counted nowhere when no snapshot lists the endpoint that answered", () => {
    const gateway = fed();
    const stream = gateway.chat("lora");
    stream.respond({ body: "{}", upstreamAddress: "6.6.6.6:6" });
    assert.deepEqual(gateway.inFlight(), NOBODY);
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 0);
  });

  test("a request is not rerouted where the pick answered, or where Envoy names no endpoint", () => {
    const gateway = fed();
    complete(gateway.chat("lora"), A);
    const stream = gateway.chat("lora");
    stream.respond({ status: 503, body: "no healthy upstream" });
    assert.equal(gateway.inFlight()[A], 1);
    stream.finish();
    assert.deepEqual(gateway.inFlight(), NOBODY);
    assert.equal(gateway.counters().rerouted, undefined);
  });

  test("a request without a pick is counted on the endpoint that answers, and is not rerouted", () => {
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
    /** Sends two requests that C answers. At most one of them is verified at once, because one in 16 is. */
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

    test("a request that another endpoint answers at once is counted on that endpoint if it is still open at the next tick", () => {
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

    test("a request that another endpoint answers after a tick is counted on that endpoint at once", () => {
      const gateway = trusted();
      const stream = gateway.chat("lora");
      gateway.settle();
      stream.respond({ chunks: ["{"], upstreamAddress: C, end: false });
      assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: 1 });
    });

    test("one in 16 short requests is verified, and every request after a pick that Envoy did not follow", () => {
      const gateway = trusted();
      for (let i = 0; i < 16; i++) complete(gateway.chat("lora"), B);
      const first = gateway.counters().rerouted ?? 0;
      assert.ok(first >= 1, "one of 16 was verified");
      for (let i = 0; i < 20; i++) complete(gateway.chat("lora"), B);
      assert.equal(gateway.counters().rerouted, first + 20);
      assert.deepEqual(gateway.inFlight(), NOBODY);
    });

    test("a few responses in the next tick do not end the trust; longer responses do", () => {
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

test("with profile tokens a streamed response is verified however many picks were followed", () => {
  const gateway = fed(1, { pick: { profile: "tokens" } });
  for (let i = 0; i < 200; i++) complete(gateway.chat("lora"), A);
  const body = JSON.stringify({ model: "lora", stream: true, messages: [{ role: "user", content: "hello" }] });
  for (let i = 1; i <= 3; i++) {
    const stream = gateway.send({ method: "POST", path: "/v1/chat/completions", headers: JSON_TYPE, body });
    stream.respond({ chunks: ["data: 1\n\n"], upstreamAddress: C, end: false });
    assert.deepEqual(gateway.inFlight(), { ...NOBODY, [C]: i });
  }
});
