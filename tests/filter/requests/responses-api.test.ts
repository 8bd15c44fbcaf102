// The Responses API on two workers: a request that needs a response goes to its owner.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { A, adapter, B, base, C, endpoint, Gateway, JSON_TYPE, routed } from "../../../testkit/filter/gateway.ts";

function gateway(configuration: object = {}, endpoints = [A, B, C].map((at) => endpoint(at))): Gateway {
  const result = new Gateway({ workers: 2, configuration: { snapshot: { staleAfter: "3600s" }, ...configuration } });
  const rule = (model: string | null) => ({ model, pool: null, priority: null, targets: [{ model: "m", weight: 1 }] });
  const models = [base("m", [A, B, C]), base("n", [A]), adapter("lora", "m", [A, B])];
  result.feed({ endpoints, models, rules: [rule("review")] });
  result.settle();
  return result;
}

const create = (more: object = {}) => ({
  method: "POST",
  path: "/v1/responses",
  headers: { ...JSON_TYPE, "accept-encoding": "gzip" },
  body: JSON.stringify({ model: "m", input: "hello", ...more }),
});

/** Sends a request that creates a response, on worker 0. The endpoint `pod` answers with these chunks. */
function created(g: Gateway, pod: string, chunks: string[], headers = JSON_TYPE, more: object = {}): void {
  const stream = g.send(create(more));
  assert.equal(stream.outcome.requestHeaders?.get("accept-encoding"), undefined, "an id cannot be read in a gzip");
  stream.respond({ status: 200, headers, chunks, upstreamAddress: pod });
  stream.finish();
}

const whole = (id: string) => `{"id":"${id}","created_at":1,"object":"response","output":[{"id":"msg_1"}]}`;

/** Sends a request whose `previous_response_id` is `id`. Returns its list of endpoints. */
function next(g: Gateway, id: unknown, worker: number): string | undefined {
  const stream = g.send(create({ previous_response_id: id }), worker);
  const { destination } = routed(stream.outcome);
  stream.abort();
  return destination;
}

function byId(g: Gateway, path: string, worker: number, method = "GET") {
  const stream = g.send({ method, path }, worker);
  const seen = routed(stream.outcome);
  stream.abort();
  return seen;
}

describe("a response", () => {
  test("a request that goes on from a response is sent to its owner, by any worker, at once", () => {
    const g = gateway();
    for (const [i, pod] of [A, B, C, B].entries()) {
      const id = `resp_${i}${"0123456789abcdef".repeat(2)}`;
      created(g, pod, [whole(id)]);
      for (const worker of [0, 1]) for (let n = 0; n < 10; n++) assert.equal(next(g, id, worker), pod);
    }
    assert.equal(g.counters()["response.found"], 80);
    assert.equal(g.counters()["response.unknown"], undefined);
    g.assertHealthy();
  });

  for (const method of ["GET", "DELETE"]) {
    test(`${method} by a response's id goes to its owner, with its model`, () => {
      const g = gateway();
      created(g, B, [whole("resp_abc")]);
      for (const worker of [0, 1]) {
        const seen = byId(g, "/v1/responses/resp_abc", worker, method);
        assert.deepEqual(seen, { model: "m", base: "m", destination: B });
        assert.equal(byId(g, "/v1/responses/resp_abc?stream=true", worker, method).destination, B);
      }
    });
  }

  test("a request for an adapter's response has the adapter and its base in its headers", () => {
    const g = gateway();
    created(g, B, [whole("resp_abc")], JSON_TYPE, { model: "lora" });
    const seen = byId(g, "/v1/responses/resp_abc", 1);
    assert.deepEqual(seen, { model: "lora", base: "m", destination: B });
  });

  const own = {
    models: {
      rules: [
        { name: "gpt-4", model: "m" },
        { name: "wild-*", model: "m" },
      ],
    },
  };
  // Each row has the name that the client asked for, the header that routes match, and the name in the response's body.
  for (const [asked, header, named] of [
    ["gpt-4", "m", "gpt-4"],
    ["review", "review", "review"],
    ["wild-1", "m", "m"],
  ])
    test(`a request for a response of ${asked} takes the same route as before, and gets ${asked} as the name if that name is known`, () => {
      const g = gateway(own);
      created(g, B, [whole("resp_abc")], JSON_TYPE, { model: asked });
      const headers = { "accept-encoding": "gzip" };
      const stream = g.send({ method: "GET", path: "/v1/responses/resp_abc", headers }, 1);
      assert.deepEqual(routed(stream.outcome), { model: header, base: "m", destination: B });
      assert.equal(stream.outcome.requestHeaders?.has("accept-encoding"), named === "m");
      assert.deepEqual(Object.values(g.inFlight(1)), named === "m" ? [0, 0, 0] : [0, 1, 0]);
      const answer = stream.respond({ headers: JSON_TYPE, body: '{"model":"m"}', upstreamAddress: B });
      assert.equal(answer.body.toString(), `{"model":"${named}"}`);
      stream.finish();
      assert.deepEqual(Object.values(g.inFlight(1)), [0, 0, 0]);
      g.assertHealthy();
    });

  test("a POST on another path below the responses is read as any other body", () => {
    const g = gateway();
    created(g, B, [whole("resp_abc")]);
    for (const rest of ["", "/", "/..", "/../../chat/completions", "/cancel/../../../chat/completions"]) {
      const path = `/v1/responses/resp_abc${rest}`;
      const stream = g.send({ method: "POST", path, headers: JSON_TYPE, body: '{"model":"n"}' });
      assert.equal(routed(stream.outcome).model, "n", path);
      stream.abort();
    }
  });

  test("a response's cancel and its input items go to its owner", () => {
    const g = gateway();
    created(g, C, [whole("resp_abc")]);
    assert.equal(byId(g, "/v1/responses/resp_abc/cancel", 1, "POST").destination, C);
    assert.equal(byId(g, "/v1/responses/resp_abc/input_items?limit=3", 1).destination, C);
    const body = g.send({ method: "POST", path: "/v1/responses/resp_abc/cancel", headers: JSON_TYPE, body: "{}" }, 1);
    assert.equal(routed(body.outcome).destination, C);
    assert.equal(body.outcome.body.toString(), "{}");
    body.abort();
  });

  test("an owner is learned from a stream, wherever its chunks are cut", () => {
    const text = `event: response.created\ndata: {"response":{"id": "resp_cut42","x":"\\"id\\":\\"resp_no\\""},"type":"response.created"}\n\n`;
    for (let cut = 1; cut < text.length; cut++) {
      const g = cut % 40 === 1 ? gateway() : shared;
      shared = g;
      created(g, A, [text.slice(0, cut), text.slice(cut)], { "content-type": "text/event-stream" });
      assert.equal(next(g, "resp_cut42", 1), A, `cut at ${cut}`);
    }
  });
  let shared = gateway();

  test("an owner is not learned from another id, nor from a refusal", () => {
    const g = gateway();
    for (const text of [
      '{"id":"msg_1","previous":"resp_x"}',
      '{"text":"\\"id\\":\\"resp_x\\""}',
      '{"ids":"resp_x"}',
      '{"id":["resp_x"]}',
      '{"previous_response_id":"resp_x"}',
    ])
      created(g, A, [text]);
    const refused = g.send(create());
    refused.respond({ status: 400, headers: JSON_TYPE, body: whole("resp_x"), upstreamAddress: A });
    refused.finish();
    assert.equal(next(g, "resp_x", 0)?.split(",").length, 3);
    assert.equal(g.counters()["response.unknown"], 1);
  });

  test("a request for an unknown response is picked or passed on as any other", () => {
    const g = gateway();
    assert.equal(next(g, "resp_unknown", 0)?.split(",").length, 3);
    assert.deepEqual(byId(g, "/v1/responses/resp_unknown", 0), {
      model: undefined,
      base: undefined,
      destination: undefined,
    });
    assert.deepEqual(byId(g, `/v1/responses/${"x".repeat(500)}`, 0).destination, undefined);
    assert.equal(g.counters()["response.unknown"], 3);
    assert.equal(g.counters().no_body, 2);
    for (const id of [null, 5, "", { id: 1 }]) assert.equal(next(g, id, 0)?.split(",").length, 3, JSON.stringify(id));
  });

  test("a request whose owner is gone or drains is picked as usual", () => {
    const g = gateway();
    created(g, B, [whole("resp_gone")]);
    g.feed({ endpoints: [endpoint(A), endpoint(C)], models: [base("m", [A, C])] });
    assert.equal(next(g, "resp_gone", 1)?.split(",").length, 2);
    assert.equal(byId(g, "/v1/responses/resp_gone", 0).destination, undefined);
    assert.equal(g.counters()["response.unknown"], 2);
  });

  test("beyond 16,384 responses the oldest are forgotten, and memory does not grow", () => {
    const g = gateway();
    const id = (i: number) => `resp_${i.toString(16).padStart(32, "0")}`;
    for (let i = 0; i < 20_000; i++) created(g, [A, B, C][i % 3] as string, [whole(id(i))]);
    let known = 0;
    for (let i = 0; i < 20_000; i += 50) {
      const list = next(g, id(i), 1)?.split(",") ?? [];
      if (list.length === 1) known++;
      if (list.length === 1) assert.equal(list[0], [A, B, C][i % 3]);
    }
    // 16,384 of 20,000 are 82 %. The responses do not spread evenly over the keys, so a few less are known.
    assert.ok(known > 300 && known < 340, `${known} of 400 are known`);
    assert.equal(next(g, id(19_999), 0)?.split(",").length, 1);
  });

  test("pick.responses: false ignores responses", () => {
    const g = gateway({ pick: { responses: false } });
    const stream = g.send(create());
    stream.respond({ status: 200, headers: JSON_TYPE, body: whole("resp_abc"), upstreamAddress: B });
    stream.finish();
    assert.equal(next(g, "resp_abc", 0)?.split(",").length, 3);
    assert.equal(byId(g, "/v1/responses/resp_abc", 0).destination, undefined);
  });

  test("the owner is the endpoint that answered, not the one that was picked", () => {
    const g = gateway();
    const stream = g.send(create());
    const picked = routed(stream.outcome).destination?.split(",") as string[];
    stream.respond({ status: 200, headers: JSON_TYPE, body: whole("resp_abc"), upstreamAddress: picked[2] as string });
    stream.finish();
    assert.equal(next(g, "resp_abc", 1), picked[2]);
  });
});
