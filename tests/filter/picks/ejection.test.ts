// Ejection of endpoints whose responses fail. One worker ejects the endpoint, and the other workers receive the ejection.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, B, base, C, chat, endpoint, Gateway, routed } from "../../../testkit/filter/gateway.ts";

const SECOND = 1000;

function gateway(workers = 1, pick: object = {}): Gateway {
  const result = new Gateway({ workers, configuration: { pick, snapshot: { staleAfter: "3600s" } } });
  result.feed({ endpoints: [A, B, C].map((at) => endpoint(at)), models: [base("m", [A, B, C])] });
  result.settle();
  return result;
}

const listed = (g: Gateway, worker = 0): string[] => {
  const stream = g.chat("m", worker);
  const list = routed(stream.outcome).destination?.split(",") ?? [];
  stream.abort();
  return list;
};

/** Sends a request that `upstream` answers with `status`, whichever endpoint was picked. */
function answered(g: Gateway, upstream: string, status: number, properties: Record<string, bigint> = {}): void {
  const stream = g.stream();
  for (const [name, value] of Object.entries(properties)) stream.properties.set(name, value);
  stream.send(chat("m"));
  stream.respond({ status, body: "{}", upstreamAddress: upstream });
  stream.finish();
}

const flags = (bit: number) => ({ "response.flags": 1n << BigInt(bit) });

describe("ejection", () => {
  for (const status of [500, 502, 503, 504]) {
    test(`an endpoint that answers ${status} three times in a row is in no list for a second`, () => {
      const g = gateway();
      answered(g, B, status);
      answered(g, B, status);
      assert.equal(listed(g).length, 3);
      answered(g, B, status);
      for (let i = 0; i < 20; i++) assert.deepEqual(listed(g).sort(), [A, C]);
      assert.equal(g.counters().ejected, 1);
      assert.equal(g.counters().pod_failed, 3);
      g.process.advance(SECOND + 40);
      assert.equal(listed(g).length, 3);
      g.assertHealthy();
    });
  }

  test("an endpoint with a good response in between stays", () => {
    const g = gateway();
    for (const status of [503, 503, 200, 503, 503, 404, 503, 503]) answered(g, B, status);
    assert.equal(listed(g).length, 3);
    assert.equal(g.counters().ejected, undefined);
  });

  for (const status of [200, 400, 401, 404, 408, 422, 429, 501]) {
    test(`a response of ${status} never ejects`, () => {
      const g = gateway();
      for (let i = 0; i < 20; i++) answered(g, A, status);
      assert.equal(listed(g).length, 3);
      assert.equal(g.counters().pod_failed, undefined);
    });
  }

  test("a response that Envoy made itself ejects nothing: no host, a full circuit breaker, an injected fault", () => {
    const g = gateway();
    for (const bit of [1, 7, 8, 9, 10, 11, 12, 14, 17]) for (let i = 0; i < 4; i++) answered(g, A, 503, flags(bit));
    assert.equal(g.counters().pod_failed, undefined);
    for (const bit of [5, 4, 6]) answered(g, A, 503, flags(bit));
    assert.equal(g.counters().ejected, 1);
  });

  test("an endpoint whose requests another one answered after a retry is ejected", () => {
    const g = gateway();
    for (let i = 0; i < 60 && !g.counters().ejected; i++) {
      const stream = g.stream();
      stream.properties.set("upstream.request_attempt_count", 2n);
      stream.send(chat("m"));
      const [picked, next] = routed(stream.outcome).destination?.split(",") ?? [];
      stream.respond({ status: 200, body: "{}", upstreamAddress: (picked === A ? next : picked) as string });
      stream.finish();
    }
    assert.ok(!listed(g).includes(A));
    assert.equal(g.counters().pod_failed, 3);
  });

  test("an endpoint that breaks its responses off is ejected, whichever flag Envoy sets; a client that goes away ejects nothing", () => {
    let g = gateway();
    const begin = (properties: Record<string, bigint>) => {
      const stream = g.stream();
      stream.send(chat("m"));
      stream.respond({ status: 200, chunks: ["data: {}\n\n"], upstreamAddress: C, end: false });
      for (const [name, value] of Object.entries(properties)) stream.properties.set(name, value);
      stream.abort();
    };
    for (let i = 0; i < 10; i++) begin(flags(14));
    assert.equal(g.counters().pod_failed, undefined);
    // The bits of a reset, of a lost connection, and of a connection that is closed in the middle of a response.
    for (const bit of [4, 6, 23]) {
      g = gateway();
      for (let i = 0; i < 3; i++) begin(flags(bit));
      assert.equal(g.counters().ejected, 1, `bit ${bit}`);
      assert.ok(!listed(g).includes(C));
    }
  });

  test("an endpoint is ejected for all workers within a tick of each, and the times double for all of them", () => {
    const g = gateway(3);
    for (let i = 0; i < 3; i++) answered(g, B, 503);
    g.settle();
    for (let worker = 0; worker < 3; worker++) assert.ok(!listed(g, worker).includes(B), `worker ${worker}`);
    g.process.advance(SECOND);
    for (let worker = 0; worker < 3; worker++) assert.ok(listed(g, worker).includes(B), `worker ${worker}`);
    // The second ejection in a row lasts two seconds, also when another worker saw these failures.
    for (let i = 0; i < 3; i++) {
      const stream = g.stream(2);
      stream.send(chat("m"));
      stream.respond({ status: 503, body: "{}", upstreamAddress: B });
      stream.finish();
    }
    g.process.advance(1900);
    for (let worker = 0; worker < 3; worker++) assert.ok(!listed(g, worker).includes(B), `worker ${worker}`);
    g.process.advance(140);
    for (let worker = 0; worker < 3; worker++) assert.ok(listed(g, worker).includes(B), `worker ${worker}`);
    g.assertHealthy();
  });

  test("with most of a model's endpoints ejected, all are picked, which is counted", () => {
    const g = gateway();
    for (const pod of [A, B]) for (let i = 0; i < 3; i++) answered(g, pod, 503);
    assert.equal(listed(g).length, 3);
    assert.ok((g.counters().panic ?? 0) > 0);
  });

  test("failures: 0 ejects nothing, failures: 1 ejects after one failure", () => {
    const never = gateway(1, { ejection: { failures: 0 } });
    for (let i = 0; i < 10; i++) answered(never, A, 503);
    assert.equal(listed(never).length, 3);
    const once = gateway(1, { ejection: { failures: 1, baseTime: "10s" } });
    answered(once, A, 503);
    once.process.advance(9 * SECOND);
    assert.ok(!listed(once).includes(A));
  });
});
