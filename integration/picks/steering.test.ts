// A client's own control headers never choose the route or the pod of any request.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BASE_MODEL_HEADER, DESTINATION_HEADER, MODEL_HEADER } from "../../protocol/constants.ts";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho, valuesOf } from "../../testkit/echo.ts";
import { pushToAll, rises, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { type Answer, chat, JSON_TYPE, type Sending, send } from "../../testkit/http.ts";

let open: Echo[] = [];
let closed: Echo;
let envoy: TestEnvoy;

// The client may reach the model `plain` and not the model `secret`. The model `unlisted` has a route and is in no snapshot, so no
// pick replaces the client's headers.
around(
  async () => {
    open = await Promise.all(["open-1", "open-2"].map((name) => startEcho(name)));
    closed = await startEcho("closed-1");
    envoy = await startGateway({
      pools: [
        { name: "open", models: ["plain", "unlisted"], endpoints: open.map(({ address }) => address) },
        { name: "closed", models: ["secret"], endpoints: [closed.address] },
      ],
      defaultPool: "open",
      filter: { body: { fields: [{ field: "user", header: "X-User" }] } },
    });
    await pushToAll(envoy, { plain: { on: open }, secret: { on: [closed] } });
  },
  async () => {
    await envoy?.close();
    await Promise.all([...open, closed].map((one) => one?.close()));
  },
);

type Pairs = [string, string][];

/** Attempts of a client. Each attempt names the pool or the pod that the client wants to reach. */
const attempts: Record<string, () => Pairs> = {
  "the model header": () => [[MODEL_HEADER, "secret"]],
  "the model header in mixed case": () => [["X-GATEWAY-Model-Name", "secret"]],
  "the model header several times, in several cases": () => [
    ["x-gateway-model-name", "secret"],
    ["X-Gateway-Model-Name", "secret"],
    ["X-GATEWAY-MODEL-NAME", "plain"],
    ["x-gateway-model-name", ""],
  ],
  "the base model header": () => [["X-Gateway-Base-Model-Name", "secret"]],
  "the destination header": () => [["X-Gateway-Destination-Endpoint", closed.address]],
  "the destination header with a list, twice": () => [
    [DESTINATION_HEADER, `${closed.address},${closed.address}`],
    ["X-GATEWAY-DESTINATION-ENDPOINT", closed.address],
  ],
  "all of them, and a header that a field of the body is written to": () => [
    [MODEL_HEADER, "secret"],
    [BASE_MODEL_HEADER, "secret"],
    [DESTINATION_HEADER, closed.address],
    ["x-user", "root"],
  ],
  "all of them, named as hop-by-hop": () => [
    ["connection", `close, ${MODEL_HEADER}, ${DESTINATION_HEADER}`],
    [MODEL_HEADER, "secret"],
    [DESTINATION_HEADER, closed.address],
  ],
};

interface Kind {
  sending: Sending;
  /** The model header that reaches the pod; undefined: no such header reaches the pod. */
  model: string | undefined;
  /** Whether the header of a pick reaches the pod. */
  picked?: boolean;
}

const json = (body: unknown): Sending => ({ headers: JSON_TYPE, body: JSON.stringify(body) });
const kinds: Record<string, Kind> = {
  "a body with a model": { sending: json(chat("plain")), model: "plain", picked: true },
  "a body with a model that no snapshot has": { sending: json(chat("unlisted")), model: "unlisted" },
  "a body without a model": { sending: json({ messages: [] }), model: undefined },
  "a body whose model is null": { sending: json(chat(null)), model: undefined },
  "a body whose model is empty": { sending: json(chat("")), model: undefined },
  "a body of another type": {
    sending: { headers: { "content-type": "text/plain" }, body: JSON.stringify(chat("secret")) },
    model: undefined,
  },
  "an empty POST": { sending: { method: "POST", headers: { ...JSON_TYPE, "content-length": "0" } }, model: undefined },
  "a GET": { sending: { method: "GET", path: "/v1/responses/resp_1" }, model: undefined },
  "a GET of the models": { sending: { method: "GET", path: "/v1/models?x=1" }, model: undefined },
};

for (const [kind, { sending, model, picked }] of Object.entries(kinds)) {
  describe(`with ${kind}`, () => {
    for (const [attempt, headers] of Object.entries(attempts)) {
      test(`${attempt} steers nothing`, async () => {
        const before = closed.seen.length;
        const seenBefore = open.map(({ seen }) => seen.length);
        let answer: Answer | undefined;
        const rise = await rises(envoy, async () => {
          const own = Object.entries(sending.headers ?? {}) as Pairs;
          answer = await send(envoy.url, { ...sending, headers: [...own, ...headers()] });
        });
        assert.equal(answer?.status, 200, answer?.text);
        assert.equal(closed.seen.length, before, "the other pool was reached");
        if (rise.models_listed) return;
        // Envoy itself removes headers that `connection` names.
        if (!attempt.includes("hop-by-hop")) assert.equal(rise.control_header_stripped, 1);
        const index = open.findIndex(({ seen }, i) => seen.length > (seenBefore[i] ?? 0));
        const echo = open[index] as Echo;
        const seen = echo.last();
        assert.deepEqual(valuesOf(seen, MODEL_HEADER), model === undefined ? [] : [model]);
        assert.deepEqual(valuesOf(seen, BASE_MODEL_HEADER), picked ? [model] : []);
        assert.deepEqual(valuesOf(seen, "x-user"), []);
        const destinations = valuesOf(seen, DESTINATION_HEADER);
        if (!picked) return assert.deepEqual(destinations, []);
        assert.equal(destinations.length, 1);
        assert.deepEqual(destinations[0]?.split(",").sort(), open.map(({ address }) => address).sort());
      });
    }
  });
}

test("a client's destination header within the pool changes nothing: both pods get their share", async () => {
  const [first, second] = open as [Echo, Echo];
  const before = [first.seen.length, second.seen.length];
  for (let i = 0; i < 60; i++) {
    const headers: Pairs = [
      ["content-type", "application/json"],
      [DESTINATION_HEADER, first.address],
    ];
    await send(envoy.url, { headers, body: JSON.stringify(chat(i % 2 ? "plain" : "unlisted")) });
  }
  // Of sixty requests in sequence to two idle pods, a pod gets fewer than ten with odds below 1 in 10^7.
  assert.ok(first.seen.length - (before[0] ?? 0) >= 10);
  assert.ok(second.seen.length - (before[1] ?? 0) >= 10);
});

test("a refused body reaches no pod, whatever its headers say", async () => {
  const reached = () => closed.seen.length + open.reduce((sum, { seen }) => sum + seen.length, 0);
  const before = reached();
  for (const body of ["{", "[]", '{"model":7}', '{"model":"a\\nb"}']) {
    const headers: Pairs = [
      ["content-type", "application/json"],
      [MODEL_HEADER, "secret"],
    ];
    const answer = await send(envoy.url, { headers, body });
    assert.equal(answer.status, 400, body);
  }
  assert.equal(reached(), before);
});
