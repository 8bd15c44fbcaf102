// An access log of Envoy has the model, the pick and the reason for a missing pick. They come from headers, and from filter state
// where no header has them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { around } from "../../testkit/around.ts";
import { type Echo, startEcho } from "../../testkit/echo.ts";
import { push, pushToAll, snapshotOf, startGateway } from "../../testkit/envoy/filter-envoy.ts";
import type { TestEnvoy } from "../../testkit/envoy/test-envoy.ts";
import { chat, JSON_TYPE, post, send } from "../../testkit/http.ts";
import { until } from "../../testkit/until.ts";

const FORMAT = {
  id: "%REQ(X-TEST)%",
  status: "%RESPONSE_CODE%",
  model: "%FILTER_STATE(wasm.pilotfish.model:PLAIN)%",
  endpoint: "%FILTER_STATE(wasm.pilotfish.endpoint:PLAIN)%",
  reason: "%FILTER_STATE(wasm.pilotfish.reason:PLAIN)%",
  upstream: "%UPSTREAM_HOST%",
  details: "%RESPONSE_CODE_DETAILS%",
  modelHeader: "%REQ(X-GATEWAY-MODEL-NAME)%",
  destination: "%REQ(X-GATEWAY-DESTINATION-ENDPOINT)%",
};

let echo: Echo;
let envoy: TestEnvoy;

around(
  async () => {
    echo = await startEcho("echo-1");
    envoy = await startGateway({
      pools: [{ name: "pool", models: ["m", "down", "unlisted"], endpoints: [echo.address] }],
      defaultPool: "pool",
      accessLogFormat: FORMAT,
      filter: {
        snapshot: { staleAfter: "3600s" },
        models: { rules: [{ name: "alias", model: "m" }] },
        log: { picks: true },
      },
    });
  },
  async () => {
    await envoy?.close();
    await echo?.close();
  },
);

type Line = Record<keyof typeof FORMAT, string | number | null>;
let serial = 0;

/** Sends a body and waits for its line of the log. */
async function logged(body: unknown): Promise<Line> {
  const id = `t${++serial}`;
  await post(envoy.url, body, { headers: { ...JSON_TYPE, "x-test": id } });
  return lineOf(id);
}

async function lineOf(id: string, of = envoy): Promise<Line> {
  return until(`the access log's line of ${id}`, async () => {
    const lines = (await of.accessLog()).map((line) => JSON.parse(line) as Line);
    return lines.find((line) => line.id === id);
  });
}

function what({ model, endpoint, reason, upstream }: Line) {
  return { model, endpoint, reason, upstream };
}

test("before a snapshot the log has the model and the reason for the missing pick", async () => {
  const line = await logged(chat("m"));
  assert.deepEqual(what(line), { model: "m", endpoint: null, reason: "no_snapshot", upstream: echo.address });
});

test("a pick is logged with its model and endpoint", async () => {
  const gone = { address: "127.0.0.1:9", ready: false };
  await pushToAll(envoy, { m: { on: [echo] }, down: { on: [gone] } });
  const line = await logged(chat("m"));
  assert.deepEqual(what(line), { model: "m", endpoint: echo.address, reason: "picked", upstream: echo.address });
});

test("without log.picks the headers have model and endpoint, and only a missing pick has a reason", async () => {
  const plain = await startGateway({
    pools: [{ name: "pool", models: ["m"], endpoints: [echo.address] }],
    accessLogFormat: FORMAT,
    filter: { snapshot: { staleAfter: "3600s" } },
  });
  try {
    const lineAfter = async (id: string) => {
      await post(plain.url, chat("m"), { headers: { ...JSON_TYPE, "x-test": id } });
      return lineOf(id, plain);
    };
    assert.equal((await lineAfter("before")).reason, "no_snapshot");
    await pushToAll(plain, { m: { on: [echo] } });
    const { reason, modelHeader, destination, endpoint } = await lineAfter("after");
    assert.deepEqual([reason, modelHeader, destination, endpoint], [null, "m", echo.address, null]);
  } finally {
    await plain.close();
  }
});

test("an alias is logged as its model", async () => {
  assert.equal((await logged(chat("alias"))).model, "m");
});

test("each other outcome has its reason", async () => {
  assert.deepEqual(what(await logged(chat("unlisted"))), {
    model: "unlisted",
    endpoint: null,
    reason: "unknown_model",
    upstream: echo.address,
  });
  assert.deepEqual(what(await logged(chat("down"))), {
    model: "down",
    endpoint: null,
    reason: "no_endpoint",
    upstream: echo.address,
  });
  assert.deepEqual(what(await logged({ messages: [] })), {
    model: null,
    endpoint: null,
    reason: "no_model",
    upstream: echo.address,
  });
});

test("a refusal is logged with the filter's mark and no model", async () => {
  const line = await logged("{");
  assert.equal(line.status, 400);
  assert.match(String(line.details), /pilotfish/);
  assert.deepEqual(what(line), { model: null, endpoint: null, reason: null, upstream: null });
});

test("a request without a body logs nothing", async () => {
  await send(envoy.url, { path: "/v1/things", headers: { "x-test": "get" } });
  const line = await lineOf("get");
  assert.deepEqual(what(line), { model: null, endpoint: null, reason: null, upstream: echo.address });
});

test("once the snapshot is stale, the log has this reason", async () => {
  const stale = await startGateway({
    pools: [{ name: "pool", models: ["m"], endpoints: [echo.address] }],
    accessLogFormat: FORMAT,
    filter: { snapshot: { staleAfter: "100ms" } },
  });
  try {
    await push(stale.url, snapshotOf({ m: { on: [echo] } }));
    const line = await until("a line that says stale", async () => {
      await post(stale.url, chat("m"));
      const lines = (await stale.accessLog()).map((text) => JSON.parse(text) as Line);
      return lines.find(({ reason }) => reason === "stale");
    });
    assert.deepEqual(what(line), { model: "m", endpoint: null, reason: "stale", upstream: echo.address });
  } finally {
    await stale.close();
  }
});
