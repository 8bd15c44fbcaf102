// A request's way through the filter: from the body to the model's header, then by the model's endpoints to the destination header.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RequestInput } from "../../../emulator/index.ts";
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MODEL_HEADER } from "../../../protocol/constants.ts";
import {
  A,
  adapter,
  B,
  base,
  C,
  chat,
  D,
  endpoint,
  Gateway,
  JSON_TYPE,
  routed,
  threePods,
} from "../../../testkit/filter/gateway.ts";

const BODY = JSON.stringify({ messages: [{ role: "user", content: "hélo \ud83d\udc1f" }], model: "lora" });
const bytes = Buffer.from(BODY);
const post = (rest: RequestInput): RequestInput => ({ path: "/v1/chat/completions", headers: JSON_TYPE, ...rest });

function fed(): Gateway {
  const gateway = new Gateway();
  gateway.feed(threePods());
  return gateway;
}

/** The counters that fed() moves. */
const FED = { "snapshot.stored": 1 };

describe("a body", () => {
  const ways: [string, RequestInput][] = [
    ["in one piece", { body: BODY }],
    ["byte by byte", { chunks: [...bytes].map((byte) => Uint8Array.of(byte)) }],
    ["byte by byte with an empty end", { chunks: [...bytes].map((byte) => Uint8Array.of(byte)), emptyEnd: true }],
    ["byte by byte with trailers", { chunks: [...bytes].map((byte) => Uint8Array.of(byte)), trailers: { "x-t": "1" } }],
    ["in one piece with trailers", { chunks: [BODY], trailers: { "x-t": "1" } }],
    ["in one piece with an empty end", { chunks: [BODY], emptyEnd: true }],
  ];
  for (const [way, input] of ways) {
    test(`a body ${way} gives model, base model and destination, and goes on unchanged`, () => {
      const gateway = fed();
      const { outcome } = gateway.send(post(input));
      assert.equal(outcome.action, "continue");
      assert.deepEqual(routed(outcome), { model: "lora", base: "m", destination: A });
      assert.deepEqual(outcome.body, bytes);
      assert.equal(outcome.requestTrailers?.get("x-t"), input.trailers ? "1" : undefined);
      gateway.expectCounters({ ...FED, requests: 1, picked: 1 });
      gateway.assertHealthy();
    });
  }

  test("a body that is cut between any two bytes gives the same model, base model and destination", () => {
    const gateway = fed();
    for (let first = 1; first < bytes.length; first++) {
      const chunks = [bytes.subarray(0, first), bytes.subarray(first)];
      const stream = gateway.send(post({ chunks }));
      assert.deepEqual(routed(stream.outcome), { model: "lora", base: "m", destination: A }, `cut at ${first}`);
      stream.abort();
    }
    assert.deepEqual(gateway.inFlight(), { [A]: 0, [B]: 0, [C]: 0 });
  });

  test("a body of several windows is read whole: a model after 300 KiB is found, and of duplicates the last wins", () => {
    const gateway = fed();
    const body = `{"model":"m","prompt":"${"ü\\n".repeat(100_000)}","model":"l\\u006fra"}`;
    assert.deepEqual(routed(gateway.send(post({ body })).outcome), { model: "lora", base: "m", destination: A });
    const half = Buffer.from(body);
    const chunks = [half.subarray(0, 65_537), half.subarray(65_537, 200_001), half.subarray(200_001)];
    assert.equal(routed(gateway.send(post({ chunks })).outcome).model, "lora");
    gateway.assertHealthy();
  });

  test("nothing goes upstream before the last byte of the body", () => {
    const gateway = fed();
    const stream = gateway.stream();
    stream.sendHeaders({ ":method": "POST", ":path": "/v1/completions", ...JSON_TYPE });
    stream.sendBody('{"model":"lora"}');
    assert.equal(stream.outcome.requestHeaders, undefined);
    stream.sendBody("", true);
    assert.equal(routed(stream.outcome).model, "lora");
  });

  test("an empty body after an empty header value does not trap", () => {
    const ends: RequestInput[] = [{ emptyEnd: true }, { trailers: { "x-t": "1" } }];
    for (const end of ends) {
      const gateway = fed();
      const { outcome } = gateway.send({ path: "/v1/completions", headers: { "content-type": "" }, ...end });
      assert.equal(outcome.localResponse?.status, 400);
      gateway.expectCounters({ ...FED, requests: 1, invalid_body: 1 });
      gateway.assertHealthy();
    }
  });

  test("a body is read for every spelling of application/json and for no content type, and for no other type", () => {
    const gateway = fed();
    const json = ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "Application/Json ;a=b"];
    for (const type of json) {
      const { outcome } = gateway.send({ path: "/", headers: { "content-type": type }, body: BODY });
      assert.equal(routed(outcome).model, "lora", type);
    }
    assert.equal(routed(gateway.send({ path: "/", body: BODY }).outcome).model, "lora");
    gateway.expectCounters({ ...FED, requests: 5, picked: 5 });
  });

  test("a body whose model is empty, null or missing goes on without a header, and is counted", () => {
    const gateway = fed();
    for (const body of ["{}", '{"model":""}', '{"model":null}', '{"Model":"m"}', '{"a":{"model":"m"}}']) {
      const { outcome } = gateway.send(post({ body }));
      assert.deepEqual(routed(outcome), { model: undefined, base: undefined, destination: undefined }, body);
      assert.equal(outcome.filterState.get("pilotfish.reason"), "no_model");
    }
    gateway.expectCounters({ ...FED, requests: 5, no_model: 5 });
  });
});

describe("a request without a body", () => {
  test("a request without a body passes unchanged, with every method", () => {
    const gateway = fed();
    for (const method of ["GET", "HEAD", "OPTIONS", "POST", "DELETE"]) {
      const stream = gateway.send({ method, path: "/v1/things", headers: JSON_TYPE });
      assert.equal(stream.outcome.action, "continue");
      assert.deepEqual(routed(stream.outcome), { model: undefined, base: undefined, destination: undefined });
      stream.respond({ upstreamAddress: A });
      stream.finish();
    }
    gateway.settle();
    assert.equal(gateway.gauge("in_flight"), 0);
    gateway.expectCounters({ ...FED, requests: 5, no_body: 5 });
  });
});

describe("control headers that a client sends", () => {
  const sent = { [MODEL_HEADER]: "evil", [BASE_MODEL_HEADER]: "evil", [DESTINATION_HEADER]: "6.6.6.6:6" };
  const NONE = { model: undefined, base: undefined, destination: undefined };

  test("control headers never survive in a request without a body", () => {
    const gateway = fed();
    assert.deepEqual(routed(gateway.send({ method: "GET", path: "/", headers: sent }).outcome), NONE);
    gateway.expectCounters({ ...FED, requests: 1, no_body: 1, control_header_stripped: 1 });
  });

  test("the filter's own values replace control headers of a request with a body, or the headers are removed", () => {
    const gateway = fed();
    const model = (name: string) => routed(gateway.send({ ...chat(name), headers: { ...JSON_TYPE, ...sent } }).outcome);
    assert.deepEqual(model("lora"), { model: "lora", base: "m", destination: A });
    assert.deepEqual(model("unknown"), { model: "unknown", base: undefined, destination: undefined });
    assert.deepEqual(model(""), NONE);
    gateway.expectCounters({
      ...FED,
      requests: 3,
      picked: 1,
      unknown_model: 1,
      no_model: 1,
      control_header_stripped: 3,
    });
  });

  test("control headers never survive with a stale snapshot, or without a snapshot", () => {
    const gateway = new Gateway();
    const send = () => routed(gateway.send({ ...chat("lora"), headers: { ...JSON_TYPE, ...sent } }).outcome);
    assert.deepEqual(send(), { model: "lora", base: undefined, destination: undefined });
    gateway.feed(threePods());
    gateway.process.advance(2040);
    assert.deepEqual(send(), { model: "lora", base: "m", destination: undefined });
    gateway.expectCounters({ ...FED, requests: 2, no_snapshot: 1, stale: 1, control_header_stripped: 2 });
  });

  test("control headers never survive beside a body that is not JSON", () => {
    const gateway = fed();
    const headers = { "content-type": "text/plain", ...sent };
    assert.deepEqual(routed(gateway.send({ path: "/", headers, body: BODY }).outcome), NONE);
    gateway.expectCounters({ ...FED, requests: 1, unread_body: 1, control_header_stripped: 1 });
  });

  test("control headers never survive when sent twice, empty or in capitals", () => {
    const gateway = fed();
    const twice = { [MODEL_HEADER]: ["a", "b"], [DESTINATION_HEADER]: ["1.1.1.1:1", "2.2.2.2:2"] };
    const empty = { [MODEL_HEADER]: "", [BASE_MODEL_HEADER]: "", [DESTINATION_HEADER]: "" };
    const capitals = { "X-Gateway-Model-Name": "a", "X-GATEWAY-DESTINATION-ENDPOINT": "6.6.6.6:6" };
    for (const headers of [twice, empty, capitals]) {
      const { outcome } = gateway.send({ method: "GET", path: "/", headers });
      for (const name of [MODEL_HEADER, BASE_MODEL_HEADER, DESTINATION_HEADER]) {
        assert.deepEqual(outcome.requestHeaders?.all(name), []);
      }
    }
    gateway.expectCounters({ ...FED, requests: 3, no_body: 3, control_header_stripped: 3 });
  });

  test("other headers stay, and a request without control headers is not counted as stripped", () => {
    const gateway = fed();
    const headers = { ...JSON_TYPE, authorization: "Bearer x", "x-gateway-model-name-too": "kept" };
    const { outcome } = gateway.send({ ...chat("m"), headers });
    assert.equal(outcome.requestHeaders?.get("authorization"), "Bearer x");
    assert.equal(outcome.requestHeaders?.get("x-gateway-model-name-too"), "kept");
    gateway.expectCounters({ ...FED, requests: 1, picked: 1 });
  });
});

describe("a pick", () => {
  test("a pick lists three different endpoints of the model, and leaves filter state empty, because the headers have the same values", () => {
    const { outcome } = fed().chat("m");
    const listed = routed(outcome).destination?.split(",") ?? [];
    assert.deepEqual([...listed].sort(), [A, B, C]);
    assert.deepEqual([...outcome.filterState], []);
  });

  test("with log.picks a pick leaves model, endpoint and reason in filter state", () => {
    const gateway = new Gateway({ configuration: { log: { picks: true } } });
    gateway.feed(threePods());
    const { outcome } = gateway.chat("m");
    const listed = routed(outcome).destination?.split(",") ?? [];
    assert.deepEqual(Object.fromEntries(outcome.filterState), {
      "pilotfish.model": "m",
      "pilotfish.endpoint": listed[0],
      "pilotfish.reason": "picked",
    });
  });

  test("the pick of a dry run is in filter state and in no header", () => {
    const gateway = new Gateway({ configuration: { pick: { dryRun: true } } });
    gateway.feed(threePods());
    const { outcome } = gateway.chat("lora");
    assert.equal(routed(outcome).destination, undefined);
    assert.equal(outcome.filterState.get("pilotfish.endpoint"), A);
    assert.equal(outcome.filterState.get("pilotfish.reason"), "picked");
  });

  test("a pick goes to the endpoint with the least to do, then to the next", () => {
    const gateway = new Gateway();
    const endpoints = [
      endpoint(A, { waiting: 5 }),
      endpoint(B, { waiting: 9 }),
      endpoint(C),
      endpoint(D, { waiting: 2 }),
    ];
    gateway.feed({ endpoints, models: [base("m", [A, B, C, D])] });
    assert.equal(routed(gateway.chat("m").outcome).destination, `${C},${D},${A}`);
  });

  test("endpoints that are not ready, draining or asleep are never listed, not even as a fallback", () => {
    const gateway = new Gateway();
    const endpoints = [
      endpoint(A, { ready: false }),
      endpoint(B, { waiting: 90 }),
      endpoint(C, { draining: true }),
      endpoint(D, { asleep: true }),
    ];
    gateway.feed({ endpoints, models: [base("m", [A, B, C, D]), base("gone", [A, C, D]), base("none", [])] });
    assert.equal(routed(gateway.chat("m").outcome).destination, B);
    for (const model of ["gone", "none"]) {
      const { outcome } = gateway.chat(model);
      assert.deepEqual(routed(outcome), { model, base: model, destination: undefined });
      assert.equal(outcome.filterState.get("pilotfish.reason"), "no_endpoint");
      assert.equal(outcome.filterState.get("pilotfish.endpoint"), undefined);
    }
    gateway.expectCounters({ ...FED, requests: 3, picked: 1, no_endpoint: 2 });
  });

  test("an adapter whose base is not listed gets no base model header", () => {
    const gateway = new Gateway();
    gateway.feed({ endpoints: [endpoint(A)], models: [adapter("orphan", null, [A])] });
    assert.deepEqual(routed(gateway.chat("orphan").outcome), { model: "orphan", base: undefined, destination: A });
  });

  test("an endpoint that the newest snapshot no longer has is never listed", () => {
    const gateway = fed();
    gateway.chat("m");
    gateway.feed({ endpoints: [endpoint(B)], models: [base("m", [B])] });
    assert.equal(routed(gateway.chat("m").outcome).destination, B);
    assert.equal(routed(gateway.chat("lora").outcome).destination, undefined);
  });

  test("names are compared byte by byte: another case, blanks inside or another Unicode form is another model", () => {
    const gateway = new Gateway();
    gateway.feed({ endpoints: [endpoint(A)], models: [base("a b", [A]), base("modèle-🐟", [A])] });
    for (const name of ["A b", "a  b", "ab", "mode\u0300le-🐟"]) {
      assert.equal(routed(gateway.chat(name).outcome).destination, undefined, name);
    }
    for (const name of ["a b", "modèle-🐟"]) assert.equal(routed(gateway.chat(name).outcome).destination, A, name);
    gateway.expectCounters({ ...FED, requests: 6, picked: 2, unknown_model: 4 });
  });
});

describe("a request without a pick goes on, and filter state has the reason", () => {
  const reason = (gateway: Gateway, model = "m") => {
    const { outcome } = gateway.chat(model);
    assert.equal(routed(outcome).destination, undefined);
    assert.equal(routed(outcome).model, model);
    assert.equal(outcome.filterState.get("pilotfish.model"), model);
    assert.equal(outcome.filterState.get("pilotfish.endpoint"), undefined);
    return outcome.filterState.get("pilotfish.reason");
  };

  test("no snapshot", () => {
    const gateway = new Gateway();
    assert.equal(reason(gateway), "no_snapshot");
    gateway.expectCounters({ requests: 1, no_snapshot: 1 });
  });

  test("a stale snapshot, from the configured age on, until a newer one comes", () => {
    const gateway = new Gateway({ configuration: { snapshot: { staleAfter: "300ms" } } });
    gateway.feed(threePods());
    gateway.process.advance(260);
    assert.notEqual(routed(gateway.chat("m").outcome).destination, undefined, "300 ms old");
    gateway.process.advance(20);
    assert.equal(reason(gateway), "stale");
    gateway.feed(threePods());
    assert.notEqual(routed(gateway.chat("m").outcome).destination, undefined);
    gateway.expectCounters({ "snapshot.stored": 2, requests: 3, picked: 2, stale: 1 });
  });

  test("a model that the snapshot does not have", () => {
    const gateway = fed();
    assert.equal(reason(gateway, "other"), "unknown_model");
    gateway.expectCounters({ ...FED, requests: 1, unknown_model: 1 });
  });

  test("an empty snapshot: every model is unknown", () => {
    const gateway = fed();
    gateway.feed({});
    assert.equal(reason(gateway), "unknown_model");
    gateway.expectCounters({ "snapshot.stored": 2, requests: 1, unknown_model: 1 });
  });
});
